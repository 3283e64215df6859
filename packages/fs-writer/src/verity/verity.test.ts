import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { bytesSource, FormatError, sha256Hex } from "@cvm-build/bytes";
import * as fc from "fast-check";
import { afterAll, describe, expect, it } from "vitest";
import { mutated } from "../fuzz.fixture.ts";
import { dumpVerity } from "./dump.ts";
import { VERITY_BLOCK_BYTES } from "./format.ts";
import { isVerity, readVerity } from "./reader.ts";
import { verifyVerity } from "./verify.ts";
import { type VerityOptions, writeVerity } from "./writer.ts";

/** How many damaged devices are read; a night's run takes more. */
const CASES = Number(process.env["CVM_FUZZ_CASES"] ?? 15_000);
const FUZZ = { timeout: 30_000 + CASES * 10 };
const UUID = "8be4df61-93ca-11d2-aa0d-00e098032b8c";
const folder = mkdtempSync(join(tmpdir(), "cvm-verity-"));
const path = (name: string): string => join(folder, name);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const plain: VerityOptions = {
  output: path("hash"),
  algorithm: "sha256",
  formatVersion: 1,
  salt: Buffer.from("00112233", "hex"),
  uuid: UUID,
};

async function format(data: Buffer, change: Partial<VerityOptions> = {}) {
  writeFileSync(path("data"), data);
  const written = await writeVerity({ path: path("data") }, { ...plain, ...change });
  return { ...written, hash: readFileSync(change.output ?? plain.output) };
}

const numbered = (blocks: number): Buffer =>
  Buffer.concat(Array.from({ length: blocks }, (_, index) => Buffer.alloc(VERITY_BLOCK_BYTES, `block ${index}`)));

describe("writeVerity", () => {
  it.each([
    [0, "6781efc108c918551d239574bf417c40fc07db4bb69e495cacef1679bf3b4b67"],
    [1, "edbdb3389e52ef6d8f7435839c9be215addd89644d73a83c309056688278a3ed"],
  ] as const)("takes one block's digest for the root hash, hash type %i", async (formatVersion, rootHash) => {
    // head -c 4096 /dev/zero | tr '\0' a >one; veritysetup format one hash --format=… --salt=00112233 --uuid=…
    const written = await format(Buffer.alloc(VERITY_BLOCK_BYTES, "a"), { formatVersion });
    expect(written).toMatchObject({ rootHash, dataBlocks: 1, hashOffsetBytes: 4096, sizeBytes: 4096 });
  });

  it("writes nothing where one block has no superblock", async () => {
    // As above with --no-superblock --salt=-
    const written = await format(Buffer.alloc(VERITY_BLOCK_BYTES, "a"), {
      salt: Buffer.alloc(0),
      hasSuperblock: false,
    });
    expect(written.rootHash).toBe("c93eee2d0db02f10acc7460d9576e122dcf8cd53c4bf8dfcae1b3e74ebcfff5a");
    expect(written.hash).toHaveLength(0);
  });

  it("says in its superblock what it did", async () => {
    const { hash } = await format(numbered(300));
    expect(isVerity(bytesSource(hash))).toBe(true);
    expect(dumpVerity(readVerity(bytesSource(hash)))).toBe(
      [
        "formatVersion = 1",
        "algorithm = sha256",
        `uuid = ${UUID}`,
        "dataBlocks = 300",
        "dataBlockBytes = 4096",
        "hashBlockBytes = 4096",
        "hashOffsetBytes = 4096",
        "salt = 00112233",
        "",
      ].join("\n"),
    );
    expect(hash).toHaveLength(5 * 4096);
  });

  it("gives the same bytes with threads", async () => {
    const data = Buffer.alloc(72 << 20);
    for (let at = 0; at < data.length; at += VERITY_BLOCK_BYTES) data.writeUInt32LE(at, at);
    const alone = await format(data);
    const { hash, rootHash } = await format(data, { threads: 2, output: path("threads") });
    expect(rootHash).toBe(alone.rootHash);
    expect(sha256Hex(hash)).toBe(sha256Hex(alone.hash));
  });

  it.each<[string, Buffer, Partial<VerityOptions>, string]>([
    ["nothing", Buffer.alloc(0), {}, "got 0 bytes"],
    ["half a block", Buffer.alloc(6144), {}, "got 6144 bytes"],
    ["a long salt", Buffer.alloc(4096), { salt: Buffer.alloc(257) }, "at most 256 bytes, got 257"],
  ])("refuses %s", async (_, data, change, message) => {
    await expect(format(data, change)).rejects.toMatchObject({
      code: "verity",
      message: expect.stringContaining(message),
    });
  });
});

describe("verifyVerity", () => {
  const data = numbered(300);
  const flipped = (bytes: Buffer, at: number): Buffer => {
    const copy = Buffer.from(bytes);
    copy[at] = (copy[at] ?? 0) ^ 1;
    return copy;
  };

  it("names the first block that does not match", async () => {
    const { hash, rootHash } = await format(data);
    const check = (some: Buffer, tree: Buffer) => () =>
      verifyVerity({ data: bytesSource(some), hash: bytesSource(tree) }, { rootHash });
    expect(check(data, hash)).not.toThrow();
    expect(check(Buffer.concat([data, Buffer.alloc(100)]), hash)).not.toThrow();
    expect(check(flipped(data, 299 * 4096), hash)).toThrow("verity data, block 299 at 0x12b000");
    expect(check(flipped(data, 4095), hash)).toThrow("verity data, block 0 at 0x0");
    expect(check(data, flipped(hash, 4096))).toThrow("verity hash level 1, block 0 at 0x1000");
    expect(check(data, flipped(hash, hash.length - 1))).toThrow("verity hash level 0, block 2 at 0x4000");
    expect(check(data.subarray(1), hash)).toThrow("verity data: expected at least 1228800 bytes, got 1228799");
    expect(check(data, hash.subarray(0, -1))).toThrow("verity hash tree: expected at least 20480 bytes");
  });

  it("refuses another root hash, and what is none", async () => {
    const { hash, rootHash } = await format(data);
    const check = (root: string) => () =>
      verifyVerity({ data: bytesSource(data), hash: bytesSource(hash) }, { rootHash: root });
    expect(check(sha256Hex(""))).toThrow("verity hash level 1, block 0");
    for (const wrong of ["", rootHash.slice(1), rootHash.toUpperCase()]) expect(check(wrong)).toThrow("root hash");
  });

  it("gives a value or a FormatError for damaged devices", FUZZ, async () => {
    const small = numbered(3);
    const { hash, rootHash } = await format(small);
    const head = hash.subarray(0, 600);
    let good = 0;
    fc.assert(
      fc.property(mutated(head), (damaged) => {
        const source = bytesSource(Buffer.concat([damaged, hash.subarray(damaged.length)]));
        try {
          verifyVerity({ data: bytesSource(small), hash: source }, { rootHash });
          good++;
        } catch (error) {
          expect(error).toBeInstanceOf(FormatError);
        }
      }),
      { seed: 1, numRuns: CASES },
    );
    expect(good).toBeGreaterThan(0);
    expect(good).toBeLessThan(CASES);
  });
});
