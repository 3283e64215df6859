import { gzipSync, zstdCompressSync } from "node:zlib";
import { bytesSource, CvmError } from "@cvm-build/bytes";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { readKernelRelease } from "./release.ts";
import { makeKernel, makeZboot } from "../pe/pe.fixture.ts";

describe("readKernelRelease", () => {
  it.each(["6.12.107+deb13-cloud-amd64", "6.1.0-50-cloud-amd64", "7.0.0-rc1~exp_1"])("reads %s", (release) => {
    expect(readKernelRelease(bytesSource(makeKernel(release)))).toBe(release);
  });

  const banner = (release: string, at: number) => {
    const image = Buffer.alloc(at + 4096);
    image.write("MZ", "latin1");
    image.write(`Linux version %s`, 100, "latin1");
    image.write(`Linux version ${release} (builder@host) #1 SMP`, at, "latin1");
    return image;
  };

  it.each<[string, Buffer]>([
    ["an Image", banner("6.12.1-arm64", 5000)],
    ["an Image, where two stretches meet", banner("6.12.1-arm64", (1 << 22) - 20)],
    ["an Image in gzip", gzipSync(banner("6.12.1-arm64", 5000))],
    ["an Image in zstd", zstdCompressSync(banner("6.12.1-arm64", 5000))],
    ["an EFI zboot image in gzip", makeZboot(banner("6.12.1-arm64", 5000), "gzip")],
    ["an EFI zboot image in zstd", makeZboot(banner("6.12.1-arm64", 5000), "zstd22")],
  ])("reads the banner of %s", (_, bytes) => {
    expect(readKernelRelease(bytesSource(bytes))).toBe("6.12.1-arm64");
  });

  it("says what it cannot unpack", () => {
    const zboot = makeZboot(banner("6.12", 5000), "xzkern");
    expect(() => readKernelRelease(bytesSource(zboot))).toThrow(
      'cannot decompress kernel: expected gzip or zstd, got "xzkern"',
    );
    zboot.writeUInt32LE(0xffff_ffff, 12);
    expect(() => readKernelRelease(bytesSource(zboot))).toThrow("expected the payload to end within the file's");
  });

  it("refuses a kernel that unpacks to more than any has", () => {
    const bomb = zstdCompressSync(Buffer.alloc((1 << 28) + 1));
    expect(bomb.length).toBeLessThan(1 << 16);
    expect(() => readKernelRelease(bytesSource(bomb))).toThrow("cannot decompress kernel: expected zstd of at most");
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
