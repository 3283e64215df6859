import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { compareVersions } from "@cvm-build/resolver";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { requirePeers } from "../support/peers.ts";

const CASES = 3000;

/** Versions that dpkg accepts: they start with a digit, and only one with a revision has a hyphen. */
const part = fc.string({ unit: fc.constantFrom(..."0012359azAZ~~++.."), maxLength: 8 });
const version = fc
  .tuple(fc.constantFrom("", "", "", "0:", "1:", "10:"), fc.nat({ max: 12 }), part, fc.option(part, { nil: undefined }))
  .map(([epoch, first, rest, revision]) => `${epoch}${first}${rest}${revision ? `-${revision}` : ""}`);
const pair = fc.oneof(
  fc.tuple(version, version),
  // Near misses, which random pairs seldom are.
  fc.tuple(version, part).map(([a, end]) => [a, `${a}${end}`] as [string, string]),
  fc
    .tuple(version, fc.constantFrom("~", "0", "+b1", "-0", ".0"))
    .map(([a, end]) => [a, `${a}${end}`] as [string, string]),
);

describe.skipIf(!requirePeers("dpkg"))("comparing versions as dpkg does", () => {
  test(`${CASES} pairs`, async () => {
    const pairs = fc.sample(pair, { numRuns: CASES, seed: 6 });
    const signs = await compareWithDpkg(pairs);
    const wrong = pairs.filter(([a, b], at) => Math.sign(compareVersions(a, b)) !== signs[at]);
    expect(wrong).toEqual([]);
  });
});

/** One shell asks dpkg about every pair; -1, 0 or 1 each. */
async function compareWithDpkg(pairs: readonly (readonly [string, string])[]): Promise<number[]> {
  const script =
    'while read -r a b; do if dpkg --compare-versions "$a" lt "$b"; then echo -1; ' +
    'elif dpkg --compare-versions "$a" eq "$b"; then echo 0; else echo 1; fi; done';
  const shell = spawn("sh", ["-c", script], { stdio: ["pipe", "pipe", "inherit"] });
  shell.stdin.end(pairs.map(([a, b]) => `${a} ${b}\n`).join(""));
  const signs: number[] = [];
  for await (const line of createInterface({ input: shell.stdout })) signs.push(Number(line));
  return signs;
}
