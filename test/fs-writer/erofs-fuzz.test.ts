import { execFileSync } from "node:child_process";
import { linkSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { bytesSource, FormatError } from "@cvm-build/bytes";
import { readErofsTree } from "@cvm-build/fs-writer";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { requirePeers } from "../support/peers.ts";
import { debianRoot } from "../support/trixie-root.ts";
import { fieldsOf, mutate } from "./erofs-mutations.ts";
import { noise, setXattrs, text } from "./erofs-source.ts";
import { temporaryFolder } from "./temporary-folder.ts";

/** How many damaged images are read in all; a night's run takes more. */
const CASES = Number(process.env["CVM_FUZZ_CASES"] ?? 60_000);
/** No image may take longer, nor all of them make the process larger. */
const MAX_CASE_MS = 5000;
const MAX_GROWTH_BYTES = 400 << 20;
/** Small limits, so that an image that asks for much shows soon. */
const LIMITS = { maxContentBytes: 1 << 20, maxTreeBytes: 1 << 20 };

/** Ways in which small images are made, so that every path of the reader is met. */
const MODES: readonly (readonly string[])[] = [
  ["-b512"],
  ["--chunksize=4096"],
  ["-b512", "--chunksize=512", "-Eforce-chunk-indexes"],
  ["-zlz4"],
  ["-b512", "-zlz4hc", "-C4096"],
  ["-b512", "-zlz4", "-Elegacy-compress", "-C4096"],
  ["-b512", "-zlz4", "-Eztailpacking"],
  ["-b512", "-zlzma"],
  ["-b512", "-zdeflate", "-Efragments"],
  ["-b512", "-zzstd", "-Ededupe"],
  ["-zzstd", "-C65536"],
  ["-b512", "-zlz4", "-Eall-fragments,dedupe"],
  ["-b512", "-zlz4:zstd", "-Efragments", "--xattr-prefix=user.overlay."],
];

const hasPeers = requirePeers("mkfs.erofs", "python3");
const trixie = hasPeers ? debianRoot("trixie", ["erofs-utils"]) : undefined;

describe.skipIf(!hasPeers || !trixie)("readErofsTree of mutated images", () => {
  let folder: { path: string } & Disposable;
  const at = (name: string): string => join(folder.path, name);

  beforeAll(() => {
    folder = temporaryFolder();
    for (const name of ["source/etc", "source/a/b", "contents"]) mkdirSync(at(name), { recursive: true });
    const shared = text(5000, 1);
    const files = {
      "etc/hostname": Buffer.from("host\n"),
      "etc/text": shared,
      "etc/again": Buffer.concat([Buffer.from("again"), shared, noise(600, 2)]),
      "a/noise": noise(700, 3),
      "a/b/zeros": Buffer.concat([Buffer.alloc(4096), text(200, 4)]),
      "a/empty": Buffer.alloc(0),
    };
    for (const [name, bytes] of Object.entries(files)) writeFileSync(at(`source/${name}`), bytes);
    linkSync(at("source/etc/text"), at("source/a/hard"));
    symlinkSync("etc/hostname", at("source/link"));
    execFileSync("mkfifo", [at("source/a/fifo")]);
    setXattrs(at("source"), [
      ["etc/text", "user.overlay.one", "616263"],
      ["etc", "user.own", "64"],
      ...["a/noise", "a/b", "etc/again"].map((name) => [name, "user.shared", "7361"] as const),
    ]);
  });
  afterAll(() => folder?.[Symbol.dispose]());

  function makeImage(args: readonly string[]): Buffer {
    rmSync(at("image"), { force: true });
    trixie?.run("usr/bin/mkfs.erofs", ["--quiet", "-T1700000000", "--all-root", ...args, at("image"), at("source")]);
    return readFileSync(at("image"));
  }

  it.each(MODES.map((args) => [args.join(" "), args] as const))("gives a tree or a FormatError: %s", (_name, args) => {
    const original = makeImage(args);
    const fields = fieldsOf(original);
    const before = process.memoryUsage().rss;
    const outcomes = { read: 0, refused: 0 };
    const reasons = new Set<string>();
    for (let seed = 0; seed < CASES / MODES.length; seed++) {
      const started = performance.now();
      try {
        readErofsTree(bytesSource(mutate(original, fields, seed)), { contentFolder: at("contents"), ...LIMITS });
        rmSync(at("contents/contents"), { force: true });
        outcomes.read++;
      } catch (error) {
        if (!(error instanceof FormatError)) throw new Error(`seed ${seed} of ${args.join(" ")}`, { cause: error });
        outcomes.refused++;
        reasons.add(error.message.replaceAll(/[0-9a-fx]+/g, "0"));
      }
      expect(performance.now() - started, `seed ${seed}`).toBeLessThan(MAX_CASE_MS);
    }
    // Images that are all refused, or for few reasons, would not have been looked into.
    expect(outcomes.read).toBeGreaterThan(0);
    expect(outcomes.refused).toBeGreaterThan(0);
    expect(reasons.size).toBeGreaterThan(Math.min(20, CASES / 1000));
    expect(process.memoryUsage().rss - before).toBeLessThan(MAX_GROWTH_BYTES);
  });
});
