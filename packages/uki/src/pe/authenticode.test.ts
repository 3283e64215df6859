import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { bytesSource, openFileSource } from "@cvm-build/bytes";
import { describe, expect, it } from "vitest";
import { authenticodeDigests, authenticodeRanges } from "./authenticode.ts";
import { makePe } from "./pe.fixture.ts";

const vectors = join(import.meta.dirname, "../../../../../shared/vectors/authenticode");

interface Expected {
  authenticode: Record<"sha1" | "sha256" | "sha384", string>;
  digest_found_in_signature: boolean | null;
}

describe("authenticodeDigests", () => {
  it.skipIf(!existsSync(vectors))("equals published digests, some of them out of signatures", () => {
    const expected = JSON.parse(readFileSync(join(vectors, "expected.json"), "utf8")) as Record<string, Expected>;
    expect(Object.keys(expected)).toHaveLength(5);
    for (const [name, { authenticode, digest_found_in_signature: isSigned }] of Object.entries(expected)) {
      using file = openFileSource(join(vectors, name));
      const digests = authenticodeDigests(file, ["sha1", "sha256", "sha384"]);
      expect(digests, name).toEqual(authenticode);
      if (isSigned) expect(readFileSync(join(vectors, name)).includes(Buffer.from(digests.sha256, "hex"))).toBe(true);
    }
  });

  const sections = [
    { name: ".b", content: "second in memory, first in the file", pointerToRawData: 0x600, sizeOfRawData: 0x200 },
    { name: ".a", content: "x".repeat(600), pointerToRawData: 0x800, sizeOfRawData: 0x400 },
  ];

  it("leaves out checksum, security directory and signatures, and pads nothing", () => {
    const plain = makePe({ sections, trailing: Buffer.from("odd") });
    const digest = createHash("sha256").update(plain.subarray(0, 0x98)).update(plain.subarray(0x9c, 0xe8));
    digest.update(plain.subarray(0xf0, 0x400)).update(plain.subarray(0x600, 0xc00));
    // Between headers and sections nothing is hashed; what counts as trailing starts at the sum of what was.
    digest.update(plain.subarray(0xa00));
    expect(authenticodeDigests(bytesSource(plain), ["sha256"]).sha256).toBe(digest.digest("hex"));

    const signed = makePe({ sections, trailing: Buffer.from("oddsignature"), securityBytes: 9 });
    expect(authenticodeDigests(bytesSource(signed), ["sha256"])).toEqual(
      authenticodeDigests(bytesSource(plain), ["sha256"]),
    );
  });

  it("hashes sections that share bytes once each, as firmware does", () => {
    const overlapping = makePe({
      sections: [
        { name: ".a", content: "a".repeat(512), pointerToRawData: 0x400 },
        { name: ".b", content: "a".repeat(1024), pointerToRawData: 0x400 },
      ],
    });
    expect(authenticodeRanges(bytesSource(overlapping)).slice(3)).toEqual([
      { offsetBytes: 0x400, sizeBytes: 512 },
      { offsetBytes: 0x400, sizeBytes: 1024 },
    ]);
  });

  it("refuses sections that would have the file hashed many times over", () => {
    const many = Array.from({ length: 12 }, () => ({
      name: ".a",
      content: "a".repeat(8192),
      pointerToRawData: 0x400,
    }));
    const bytes = makePe({ sections: many });
    expect(() => authenticodeRanges(bytesSource(bytes))).toThrow("at most 2 times the file's");
  });
});
