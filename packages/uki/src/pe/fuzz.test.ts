import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { bytesSource, type ByteSource, FormatError } from "@cvm-build/bytes";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { readCertificateTable } from "../authenticode/reader.ts";
import { inspectUki } from "../inspect.ts";
import { readKernelRelease } from "../kernel/release.ts";
import { readUki } from "../uki.ts";
import { authenticodeRanges } from "./authenticode.ts";
import { makeKernel, makeStub } from "./pe.fixture.ts";
import { readPe, readPeHeaders } from "./reader.ts";

/** How many damaged images each test reads; a night's run takes more. */
const CASES = Number(process.env["CVM_FUZZ_CASES"] ?? 20_000);
const VECTOR = join(import.meta.dirname, "../../../../../shared/vectors/authenticode/linuxx64.efi.stub");

/** A change of an image's bytes. */
type Mutation = (bytes: Buffer) => Buffer;

/** Numbers at which sizes and offsets go wrong. */
const EDGES = [0, 1, 7, 8, 0x1ff, 0x200, 0x1000, 0x7fff_ffff, 0x8000_0000, 0xffff_fe00, 0xffff_ffff];

/** Changes of the headers, where the decisions are; of the rest; cuts, and pieces put elsewhere. */
function mutationsOf(sizeBytes: number, headerBytes: number): fc.Arbitrary<Mutation[]> {
  const offset = fc.oneof({ weight: 6, arbitrary: fc.nat(headerBytes - 1) }, fc.nat(sizeBytes - 1));
  const write = (at: number, patch: Buffer): Mutation => {
    return (bytes) => (at + patch.length <= bytes.length && patch.copy(bytes, at), bytes);
  };
  const word = (value: number): Buffer => {
    const patch = Buffer.alloc(4);
    patch.writeUInt32LE(value);
    return patch;
  };
  const mutation = fc.oneof(
    fc.tuple(offset, fc.nat(255)).map(([at, value]) => write(at, Buffer.of(value))),
    fc.tuple(offset, fc.constantFrom(...EDGES)).map(([at, value]) => write(at - (at % 4), word(value))),
    fc.tuple(offset, fc.nat(sizeBytes * 2)).map(([at, value]) => write(at - (at % 4), word(value))),
    fc.tuple(offset, offset, fc.integer({ min: 1, max: 40 })).map(
      ([from, to, count]): Mutation =>
        (bytes) => (bytes.copyWithin(to, from, from + count), bytes),
    ),
    fc.nat(sizeBytes).map(
      (end): Mutation =>
        (bytes) =>
          bytes.subarray(0, end),
    ),
  );
  return fc.array(mutation, { minLength: 1, maxLength: 6 });
}

/** Every reader gives something, or a refusal that is a FormatError; nothing else is thrown, and none runs on. */
function fuzz(
  original: Buffer,
  options: { headerBytes: number; readers: readonly ((source: ByteSource) => unknown)[] },
) {
  for (const read of options.readers) read(bytesSource(original));
  const refused = new Map<string, number>();
  const property = fc.property(mutationsOf(original.length, options.headerBytes), (mutations) => {
    const bytes = mutations.reduce<Buffer>((mutated, mutate) => mutate(mutated), Buffer.from(original));
    for (const read of options.readers) {
      try {
        read(bytesSource(bytes));
      } catch (error) {
        expect(error).toBeInstanceOf(FormatError);
        const { field, record } = error as FormatError;
        refused.set(`${record}.${field}`, (refused.get(`${record}.${field}`) ?? 0) + 1);
      }
    }
  });
  fc.assert(property, { seed: 1, numRuns: CASES });
  return refused;
}

describe("mutated images", () => {
  it("of a UKI give what is in them, or a FormatError", () => {
    const uki = makeStub("257.13", {
      sections: [
        { name: ".linux", content: makeKernel("6.12") },
        { name: ".cmdline", content: "console=ttyS0" },
        { name: ".hwids", content: Buffer.alloc(60) },
        { name: ".profile", content: "ID=a\n" },
        { name: ".initrd", content: "x", virtualSizeBytes: 600 },
      ],
      trailing: Buffer.concat([Buffer.from("10000000000202000000000000000000", "hex")]),
      securityBytes: 16,
    });
    const refused = fuzz(uki, { headerBytes: 1024, readers: [inspectUki, readCertificateTable] });
    // Mutations reach the checks, or the fuzzing proves little.
    expect([...refused.keys()]).toEqual(
      expect.arrayContaining([
        "CoffHeader.signature",
        "OptionalHeader.numberOfRvaAndSizes",
        "OptionalHeader.sizeOfHeaders",
        "SectionHeader.sizeOfRawData",
        "SectionHeader.pointerToRawData",
        "SectionHeader.virtualAddress",
        "DataDirectory.security",
      ]),
    );
  });

  it.skipIf(!existsSync(VECTOR))("of a real systemd-stub give its headers, or a FormatError", () => {
    const readers = [readPe, readPeHeaders, readUki, authenticodeRanges];
    expect(fuzz(readFileSync(VECTOR), { headerBytes: 2048, readers }).size).toBeGreaterThan(5);
  });

  it("of a kernel give its release, or an error of ours", () => {
    const kernel = makeKernel("6.12.1");
    const property = fc.property(mutationsOf(kernel.length, 0x900), (mutations) => {
      const bytes = mutations.reduce<Buffer>((mutated, mutate) => mutate(mutated), Buffer.from(kernel));
      try {
        expect(readKernelRelease(bytesSource(bytes))).toMatch(/^[\w.+~-]+$/);
      } catch (error) {
        expect(error).toMatchObject({ code: "uki-kernel" });
      }
    });
    fc.assert(property, { seed: 1, numRuns: CASES / 10 });
  });
});
