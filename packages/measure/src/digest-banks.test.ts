import { createHash } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type FileSource, HASH_ALGORITHMS, openFileSource } from "@cvm-build/bytes";
import { afterAll, describe, expect, it } from "vitest";
import { hashBanks } from "./digest-banks.ts";
import { prepareDigestThreads, startTimesMs } from "./digest-threads.ts";

describe("hashBanks", () => {
  const folder = mkdtempSync(join(tmpdir(), "cvm-build-digest-banks-"));
  afterAll(() => rmSync(folder, { recursive: true }));
  const path = join(folder, "image");
  const bytes = Buffer.alloc(9 << 20, "some bytes of an image");
  writeFileSync(path, bytes);
  const whole = { parts: [{ offsetBytes: 0, sizeBytes: bytes.length }], marks: [1] };
  const small = { parts: [{ bytes: Buffer.from("x") }], marks: [1] };

  it("gives what one thread gives, whatever the number of threads", async () => {
    const digestOf = (bank: string, data: Uint8Array) => [createHash(bank).update(data).digest("hex")];
    const expected = Object.fromEntries(
      HASH_ALGORITHMS.map((bank) => [bank, [digestOf(bank, bytes), digestOf(bank, Buffer.from("x"))]]),
    );
    using image = openFileSource(path);
    for (const threads of [1, 2, 5]) {
      expect(await hashBanks(image, [whole, small], { banks: HASH_ALGORITHMS, threads })).toEqual(expected);
    }
  });

  it("gives threads back, of which those that were prepared are used", async () => {
    prepareDigestThreads(64);
    expect(startTimesMs(9).slice(3)).not.toContain(0);
    using image = openFileSource(path);
    const hash = () => hashBanks(image, [whole], { banks: HASH_ALGORITHMS, threads: 3 });
    await Promise.all([hash(), hash()]);
    await hash();
    await expect.poll(() => startTimesMs(3)).toEqual([0, 0, 0]);
  });

  it("says what is wrong with an image that ends early", async () => {
    using image: FileSource = openFileSource(path);
    const beyond = { parts: [{ offsetBytes: 1, sizeBytes: bytes.length }], marks: [1] };
    await expect(hashBanks(image, [beyond], { banks: HASH_ALGORITHMS, threads: 2 })).rejects.toThrow("source has");
  });
});
