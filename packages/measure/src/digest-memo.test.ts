import { createHash } from "node:crypto";
import { type ByteSource, bytesSource, HASH_ALGORITHMS, type Sha256Hex } from "@cvm-build/bytes";
import { describe, expect, it } from "vitest";
import { hashBanks } from "./digest-banks.ts";
import { DigestMemo, type EqualDigests } from "./digest-memo.ts";

const image = Buffer.from("0123456789");
const sha256 = (text: string) => createHash("sha256").update(text).digest("hex");

/** A source that counts how often its bytes are read. */
function counted(bytes: Uint8Array): ByteSource & { reads: number } {
  const source = bytesSource(bytes);
  const counting = {
    reads: 0,
    sizeBytes: source.sizeBytes,
    read: (at: number, size: number) => (counting.reads++, source.read(at, size)),
  };
  return counting;
}

describe("DigestMemo", () => {
  it("has bytes of an image read once, whatever is asked for besides", async () => {
    const source = counted(image);
    const memo = new DigestMemo();
    const options = { banks: ["sha256"] as const, threads: 1, memo };
    const range = { parts: [{ offsetBytes: 2, sizeBytes: 3 }], marks: [1] };
    const literal = (text: string) => ({ parts: [{ bytes: Buffer.from(text) }], marks: [1] });
    expect(await hashBanks(source, [range, literal("a")], options)).toEqual({
      sha256: [[sha256("234")], [sha256("a")]],
    });
    expect(await hashBanks(source, [literal("b"), range], options)).toEqual({
      sha256: [[sha256("b")], [sha256("234")]],
    });
    expect(source.reads).toBe(1);
  });

  it("knows a stream by its bank and its marks too", async () => {
    const memo = new DigestMemo();
    const parts = [{ offsetBytes: 0, sizeBytes: 1 }, { bytes: Buffer.from("x") }];
    const hash = (bank: "sha1" | "sha256", marks: number[]) =>
      hashBanks(bytesSource(image), [{ parts, marks }], { banks: [bank], threads: 1, memo });
    expect(await hash("sha256", [2])).toEqual({ sha256: [[sha256("0x")]] });
    expect(await hash("sha256", [1, 2])).toEqual({ sha256: [[sha256("0"), sha256("0x")]] });
    expect((await hash("sha1", [2])).sha1?.[0]?.[0]).toHaveLength(40);
  });
});

describe("DigestMemo with digests that were kept", () => {
  const kernel = Buffer.alloc(1 << 20, "kernel");
  const bytes = Buffer.concat([Buffer.from("head"), kernel]);
  const expected = (mark: Uint8Array[]) =>
    HASH_ALGORITHMS.map((bank) => [bank, createHash(bank).update(Buffer.concat(mark)).digest("hex")] as const);
  const tail = { bytes: Buffer.from("tail") };
  const stream = { parts: [{ offsetBytes: 4, sizeBytes: kernel.length }, tail], marks: [1, 2], recurs: true };

  /** Hashes as a process does that has nothing in memory. */
  function anew(table: Map<Sha256Hex, EqualDigests>, streams = [stream]) {
    const kept = {
      lookup: (digest: Sha256Hex) => table.get(digest),
      keep: (digest: Sha256Hex, equal: EqualDigests) => void table.set(digest, equal),
    };
    const source = counted(bytes);
    const options = { banks: HASH_ALGORITHMS, threads: 1, memo: new DigestMemo({ kept }) };
    return { source, digests: hashBanks(source, streams, options) };
  }

  it("keeps, by the SHA-256 of the same bytes, digests at every mark, and takes them from there", async () => {
    const table = new Map<Sha256Hex, EqualDigests>();
    const first = anew(table);
    const [atKernel, atEnd] = [expected([kernel]), expected([kernel, tail.bytes])];
    expect(await first.digests).toEqual(
      Object.fromEntries(atKernel.map(([bank, digest], index) => [bank, [[digest, atEnd[index]![1]]]])),
    );
    expect([...table.values()]).toEqual([atKernel, atEnd].map((digests) => Object.fromEntries(digests)));
    const second = anew(table);
    expect(await second.digests).toEqual(await first.digests);
    expect(second.source.reads).toBe(first.source.reads / 2);
  });

  it("believes nothing that is kept under another SHA-256 or lacks a bank", async () => {
    const table = new Map<Sha256Hex, EqualDigests>();
    const right = await anew(table).digests;
    for (const [digest, { sha512: _, ...others }] of table) table.set(digest, others);
    expect(await anew(table).digests).toEqual(right);
    expect([...table.values()].every(({ sha512 }) => sha512?.length === 128)).toBe(true);
    bytes[4]! ^= 1;
    expect((await anew(table).digests).sha512).not.toEqual(right.sha512);
    expect(table.size).toBe(4);
    bytes[4]! ^= 1;
  });

  it("asks for nothing that is small, or that other images do not hold", async () => {
    const table = new Map<Sha256Hex, EqualDigests>();
    await anew(table, [{ ...stream, recurs: false }]).digests;
    await anew(table, [{ parts: [{ offsetBytes: 0, sizeBytes: 4 }], marks: [1], recurs: true }]).digests;
    expect(table.size).toBe(0);
  });
});
