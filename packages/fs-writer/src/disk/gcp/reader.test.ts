import { bytesSource, FormatError, type ValueOf } from "@cvm-build/bytes";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { expectValueOrFormatError, mutated } from "../../fuzz.fixture.ts";
import { OldGnuHeader } from "./format.ts";
import { isSparseTar, openSparseTar } from "./reader.ts";
import { sparseTar } from "./sparse-tar.ts";

const CASES = Number(process.env["CVM_FUZZ_CASES"] ?? 2000);
const FUZZ = { timeout: 30_000 + CASES * 10 };

/** A disk with a letter a kilobyte in every fourth of its kilobytes. */
function sample(stretches: number): { disk: Buffer; archive: Buffer } {
  const disk = Buffer.alloc(stretches * 4096 + 2048);
  const extents = Array.from({ length: stretches }, (_, index) => ({ offsetBytes: index * 4096, sizeBytes: 1024 }));
  for (const [index, { offsetBytes }] of extents.entries())
    disk.fill(65 + (index % 26), offsetBytes, offsetBytes + 1024);
  const chunks = [...sparseTar(bytesSource(disk), { extents, sizeBytes: disk.length })].map((chunk) =>
    Buffer.from(chunk),
  );
  return { disk, archive: Buffer.concat(chunks) };
}

// That GNU tar's own archives are read, test/cli/inspect.test.ts shows.
describe("openSparseTar", () => {
  it.each([0, 1, 4, 5, 26, 100])("reads back a disk of %i stretches", (stretches) => {
    const { disk, archive } = sample(stretches);
    const source = bytesSource(archive);
    expect(isSparseTar(source)).toBe(true);
    const opened = openSparseTar(source);
    expect(opened.sizeBytes).toBe(disk.length);
    expect(opened.read(0, disk.length).equals(disk)).toBe(true);
    for (const at of [0, 1000, 1024, 2047]) expect(opened.read(at, 1).equals(disk.subarray(at, at + 1))).toBe(true);
    expect(() => opened.read(disk.length, 1)).toThrow(FormatError);
  });

  it("refuses stretches that overlap, and sizes that do not add up", () => {
    const { archive } = sample(4);
    const change = (values: Partial<ValueOf<typeof OldGnuHeader>>): Buffer =>
      Buffer.concat([OldGnuHeader.encode({ ...OldGnuHeader.decode(archive), ...values }), archive.subarray(512)]);
    const swapped = Buffer.from(OldGnuHeader.decode(archive).sparse);
    swapped.copyWithin(24, 0, 24);
    expect(() => openSparseTar(bytesSource(change({ sparse: swapped })))).toThrow(
      "expected a stretch from 1024 on, got 0",
    );
    expect(() => openSparseTar(bytesSource(change({ realSizeBytes: 100 })))).toThrow("expected a size from ");
    expect(() => openSparseTar(bytesSource(change({ sizeBytes: 512 })))).toThrow("of 512 bytes in all, got 4096");
  });

  it("gives a disk or a FormatError for mutated archives", FUZZ, async () => {
    const { archive } = sample(6);
    await fc.assert(
      fc.asyncProperty(mutated(archive.subarray(0, 3000)), (bytes) =>
        expectValueOrFormatError(() => {
          const opened = openSparseTar(bytesSource(bytes));
          return opened.read(0, Math.min(opened.sizeBytes, 4096));
        }),
      ),
      { seed: 4, numRuns: CASES },
    );
  });
});
