import { createHash } from "node:crypto";
import { bytesSource } from "@cvm-build/bytes";
import { describe, expect, it } from "vitest";
import { DigestMemo, hashBanks } from "./digest-banks.ts";

const image = Buffer.from("0123456789");
const sha256 = (text: string) => createHash("sha256").update(text).digest("hex");

describe("DigestMemo", () => {
  it("has bytes of an image read once, whatever is asked for besides", async () => {
    let reads = 0;
    const source = bytesSource(image);
    const counting = {
      sizeBytes: source.sizeBytes,
      read: (at: number, size: number) => (reads++, source.read(at, size)),
    };
    const memo = new DigestMemo();
    const options = { banks: ["sha256"] as const, threads: 1, memo };
    const range = { parts: [{ offsetBytes: 2, sizeBytes: 3 }], marks: [1] };
    const literal = (text: string) => ({ parts: [{ bytes: Buffer.from(text) }], marks: [1] });
    expect(await hashBanks(counting, [range, literal("a")], options)).toEqual({
      sha256: [[sha256("234")], [sha256("a")]],
    });
    expect(await hashBanks(counting, [literal("b"), range], options)).toEqual({
      sha256: [[sha256("b")], [sha256("234")]],
    });
    expect(reads).toBe(1);
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
