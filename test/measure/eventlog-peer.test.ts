import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { HASH_ALGORITHMS, type HashAlgorithm } from "@cvm-build/bytes";
import { type PcrValues, readEventLog, readPcrValues, replayLog } from "@cvm-build/measure";
import { afterAll, describe, expect, it } from "vitest";
import { requirePeers } from "../support/peers.ts";
import { VECTORS } from "../support/published.ts";

/** Where `tpm2_eventlog` is wrong: it starts PCR 0 at zero, whatever the log tells, and extends what is not extended. */
const WRONG_REGISTER = "0";

/** What `expected.json` says of a TPM's log. */
interface ExpectedLog {
  format?: string;
  pcrs?: PcrValues;
  tpm2_eventlog_agrees?: boolean;
}

/** TPM logs of the vectors, and whether `tpm2_eventlog` is right about them. */
function logs(): [name: string, path: string, expected: ExpectedLog][] {
  const folder = join(VECTORS, "eventlogs");
  const ofMachines = readdirSync(folder).flatMap((origin) => {
    const expected = JSON.parse(readFileSync(join(folder, origin, "expected.json"), "utf8")) as Record<
      string,
      ExpectedLog
    >;
    return Object.entries(expected)
      .filter(([name, { pcrs }]) => pcrs !== undefined && existsSync(join(folder, origin, name)))
      .map(([name, log]): [string, string, ExpectedLog] => [`${origin}/${name}`, join(folder, origin, name), log]);
  });
  const runs = join(VECTORS, "qemu-boots/runs");
  const ofBoots = readdirSync(runs)
    .filter((name) => name.endsWith(".log.gz"))
    .map((name): [string, string, ExpectedLog] => [name, join(runs, name), {}]);
  return [...ofMachines, ...ofBoots];
}

describe.skipIf(!requirePeers("tpm2_eventlog") || !existsSync(VECTORS))("replayLog beside tpm2_eventlog", () => {
  const scratch = mkdtempSync(join(tmpdir(), "cvm-eventlog-"));
  afterAll(() => rmSync(scratch, { recursive: true, force: true }));

  it.each(existsSync(VECTORS) ? logs() : [])("%s", (_, path, { tpm2_eventlog_agrees: agrees = true }) => {
    const bytes = path.endsWith(".gz") ? gunzipSync(readFileSync(path)) : readFileSync(path);
    const plain = join(scratch, "log");
    writeFileSync(plain, bytes);
    const output = execFileSync("tpm2_eventlog", [plain], { encoding: "utf8", maxBuffer: 1 << 26, stdio: "pipe" });
    const theirs = readPcrValues(Buffer.from(output.slice(output.lastIndexOf("\npcrs:"))));
    const ours = replayLog(readEventLog(bytes));
    const differing = HASH_ALGORITHMS.flatMap((bank) => differingPcrs(ours, theirs, bank));
    expect(new Set(differing)).toEqual(new Set(agrees ? [] : [WRONG_REGISTER]));
  });
});

function differingPcrs(ours: PcrValues, theirs: PcrValues, bank: HashAlgorithm): string[] {
  const [own = {}, other = {}]: Record<string, string>[] = [ours[bank] ?? {}, theirs[bank] ?? {}];
  return [...new Set([...Object.keys(own), ...Object.keys(other)])].filter((pcr) => own[pcr] !== other[pcr]);
}
