import { execFileSync, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { closeSync, openSync, readFileSync, truncateSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { openFileSource } from "@cvm-build/bytes";
import {
  readVerity,
  VERITY_ALGORITHMS,
  type VerityAlgorithm,
  type VerityFormatVersion,
  verifyVerity,
  writeVerity,
} from "@cvm-build/fs-writer";
import { describe, expect, it } from "vitest";
import { requirePeers } from "../support/peers.ts";
import { temporaryFolder } from "./temporary-folder.ts";

const UUID = "8be4df61-93ca-11d2-aa0d-00e098032b8c";
const SALTS = ["-", "00", "d8f43870af05f2fb613c2bb571f911da45cfa46a77e6efeabbdd5ed760ebabde", "a5".repeat(256)];
/** From none to three levels of SHA-256, four of SHA-512. */
const BLOCKS = [1, 2, 64, 65, 128, 129, 4097, 16_385];

const veritysetup = (args: readonly string[]): string =>
  execFileSync("veritysetup", args, { encoding: "utf8", env: ENV });
const ENV = { ...process.env, PATH: `${process.env["PATH"]}:/usr/sbin:/sbin`, LC_ALL: "C" };

/** Blocks that are all different, and some of zeros. */
function writeData(path: string, blocks: number): void {
  const bytes = Buffer.alloc(blocks * 4096);
  for (let block = 0; block < blocks; block++) {
    if (block % 5 !== 3)
      createHash("sha512")
        .update(String(block))
        .digest()
        .copy(bytes, block * 4096 + (block % 4000));
  }
  writeFileSync(path, bytes);
}

function rootHashOf(text: string): string | undefined {
  return /^Root hash:\s+([0-9a-f]+)$/m.exec(text)?.[1];
}

describe.skipIf(!requirePeers("veritysetup"))("veritysetup", () => {
  const kinds = VERITY_ALGORITHMS.flatMap((algorithm) =>
    ([0, 1] as const).map((version): [VerityAlgorithm, VerityFormatVersion] => [algorithm, version]),
  );

  it.each(kinds)("formats as we do with %s and hash type %i", async (algorithm, formatVersion) => {
    using folder = temporaryFolder();
    const [data, ours, theirs] = ["data", "ours", "theirs"].map((name) => join(folder.path, name)) as [
      string,
      string,
      string,
    ];
    for (const [index, blocks] of BLOCKS.entries()) {
      const salt = SALTS[index % SALTS.length] ?? "-";
      const hasSuperblock = index % 3 !== 2;
      writeData(data, blocks);
      writeFileSync(theirs, "");
      const settings = [
        `--hash=${algorithm}`,
        `--format=${formatVersion}`,
        `--salt=${salt}`,
        ...(hasSuperblock ? [`--uuid=${UUID}`] : ["--no-superblock"]),
      ];
      const root = rootHashOf(veritysetup(["format", data, theirs, ...settings]));
      const written = await writeVerity(
        { path: data },
        { output: ours, algorithm, formatVersion, salt: saltBytes(salt), uuid: UUID, hasSuperblock },
      );
      expect(written.rootHash).toBe(root);
      expect(readFileSync(ours).equals(readFileSync(theirs))).toBe(true);
      expect(written.sizeBytes).toBe(readFileSync(ours).length);
      if (!hasSuperblock) continue;
      expect(veritysetup(["verify", data, ours, written.rootHash])).toBe("");
      expect(/^Salt:\s+(.*)$/m.exec(veritysetup(["dump", ours]))?.[1]).toBe(salt);
    }
  });

  it("formats with blocks of other sizes, which are read and verified here", () => {
    using folder = temporaryFolder();
    const [data, hash] = [join(folder.path, "data"), join(folder.path, "hash")] as const;
    writeData(data, 300);
    for (const [dataBlock, hashBlock] of [
      [512, 4096],
      [4096, 512],
      [1024, 1024],
    ]) {
      const sizes = [`--data-block-size=${dataBlock}`, `--hash-block-size=${hashBlock}`];
      const rootHash = rootHashOf(veritysetup(["format", data, hash, ...sizes])) ?? "";
      using dataSource = openFileSource(data);
      using hashSource = openFileSource(hash);
      expect(readVerity(hashSource)).toMatchObject({ dataBlockBytes: dataBlock, hashBlockBytes: hashBlock });
      expect(() => verifyVerity({ data: dataSource, hash: hashSource }, { rootHash })).not.toThrow();
      truncateSync(hash, 0);
    }
  });

  it("refuses what we refuse", async () => {
    using folder = temporaryFolder();
    const [data, hash] = [join(folder.path, "data"), join(folder.path, "hash")] as const;
    writeData(data, 300);
    const salt = Buffer.from("salt");
    const { rootHash } = await writeVerity(
      { path: data },
      { output: hash, algorithm: "sha256", formatVersion: 1, salt, uuid: UUID },
    );
    const file = openSync(data, "r+");
    writeSync(file, "flip", 200 * 4096 + 7);
    closeSync(file);
    const result = spawnSync("veritysetup", ["verify", data, hash, rootHash], { encoding: "utf8", env: ENV });
    expect(result.status).not.toBe(0);
    expect(result.stderr).toContain("position 819200");
    using dataSource = openFileSource(data);
    using hashSource = openFileSource(hash);
    expect(() => verifyVerity({ data: dataSource, hash: hashSource }, { rootHash })).toThrow(
      expect.objectContaining({ offsetBytes: 819_200, details: expect.objectContaining({ block: 200 }) }),
    );
  });
});

function saltBytes(text: string): Buffer {
  return text === "-" ? Buffer.alloc(0) : Buffer.from(text, "hex");
}
