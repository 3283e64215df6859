import { bytesSource, CvmError } from "@cvm-build/bytes";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { readKernelRelease } from "./kernel.ts";
import { makeKernel } from "./pe/pe.fixture.ts";

describe("readKernelRelease", () => {
  it.each(["6.12.107+deb13-cloud-amd64", "6.1.0-50-cloud-amd64", "7.0.0-rc1~exp_1"])("reads %s", (release) => {
    expect(readKernelRelease(bytesSource(makeKernel(release)))).toBe(release);
  });

  it.each([
    ["nothing", Buffer.alloc(0)],
    ["an ELF file", Buffer.from("\x7fELF".padEnd(4096, "\0"))],
    ["a file that ends in its header", makeKernel("6").subarray(0, 0x208)],
    ["a file that ends before its version", makeKernel("6").subarray(0, 0x7ff)],
    ["a version without a builder", makeKernel("6").fill(0, 0x802)],
  ])("refuses %s", (_, bytes) => {
    expect(() => readKernelRelease(bytesSource(bytes))).toThrow(CvmError);
  });

  it("gives a release or a CvmError for any bytes", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 256 }), fc.nat(0xffff), (noise, pointer) => {
        const bytes = makeKernel("6.1");
        bytes.writeUInt16LE(pointer, 0x20e);
        bytes.set(noise, 0x800);
        try {
          expect(readKernelRelease(bytesSource(bytes))).toMatch(/^[\w.+~-]+$/);
        } catch (error) {
          expect(error).toBeInstanceOf(CvmError);
        }
      }),
      { seed: 1, numRuns: 500 },
    );
  });
});
