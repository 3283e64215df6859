import { bytesSource, FormatError } from "@cvm-build/bytes";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isKernelPatched, type KernelPlacement, patchKernel } from "./patched-kernel.ts";

const MIB = 2 ** 20;

/** A bzImage up to the end of its setup header, and some of what follows. */
function makeHeader(
  given: { protocol?: number; loadFlags?: number; xLoadFlags?: number; initrdMax?: number } = {},
): Buffer {
  const { protocol = 0x20f, loadFlags = 1, xLoadFlags = 0x3f, initrdMax = 0x7fff_ffff } = given;
  const bytes = Buffer.alloc(2048, 0x11);
  bytes.write("HdrS", 0x202, "latin1");
  bytes.writeUInt16LE(protocol, 0x206);
  bytes.writeUInt8(loadFlags, 0x211);
  bytes.writeUInt32LE(initrdMax, 0x22c);
  bytes.writeUInt16LE(xLoadFlags, 0x236);
  return bytes;
}

const patch = (kernel: Buffer, given: Partial<KernelPlacement> = {}) =>
  patchKernel(bytesSource(kernel), { memoryBytes: 1024 * MIB, commandLine: "", initrdBytes: undefined, ...given });

/** Offsets at which two files differ. */
const changed = (a: Buffer, b: Buffer) => [...a.keys()].filter((offset) => a[offset] !== b[offset]);

describe("patchKernel", () => {
  it("writes loader, heap and command line, and nothing else, where there is no initrd", () => {
    const kernel = makeHeader();
    const patched = patch(kernel);
    expect(changed(kernel, patched)).toEqual([0x210, 0x211, 0x224, 0x225, 0x228, 0x229, 0x22a, 0x22b]);
    expect(patched[0x210]).toBe(0xb0);
    expect(patched[0x211]).toBe(0x81);
    expect(patched.readUInt16LE(0x224)).toBe(0xfe00);
    expect(patched.readUInt32LE(0x228)).toBe(0x20000);
  });

  // (min(4 GiB - 1, low memory - 0x28001) - size) & ~0xfff
  it.each<[string, number, Parameters<typeof makeHeader>[0], number, number]>([
    ["1 GiB", 1024, {}, 1000, 0x3ffd7000],
    ["1 GiB and a whole page", 1024, {}, 4096, 0x3ffd6000],
    ["just under the split", 2815, {}, 1, 0xafed7000],
    ["the split itself", 2816, {}, 1, 0x7ffd7000],
    ["64 GiB", 65536, {}, 0x10000000, 0x6ffd7000],
    ["a kernel that wants it below its limit", 2048, { xLoadFlags: 0 }, 1, 0x7ffd7000],
    ["a kernel with a low limit", 2048, { xLoadFlags: 0, initrdMax: 0x37ffffff }, 1, 0x37fff000],
    ["an old protocol with a low limit", 2048, { protocol: 0x20b, initrdMax: 0x37ffffff }, 4096, 0x37ffe000],
  ])("puts the initrd where QEMU does: %s", (_, memoryMiB, header, initrdBytes, address) => {
    const patched = patch(makeHeader(header), { memoryBytes: memoryMiB * MIB, initrdBytes });
    expect(patched.readUInt32LE(0x218).toString(16)).toBe(address.toString(16));
    expect(patched.readUInt32LE(0x21c)).toBe(initrdBytes);
  });

  it.each([
    ["vga=0x317", 0x317],
    ["quiet vga=791 debug", 791],
    ["vga=0444", 0o444],
    ["vga=ask", 0xfffd],
    ["vga=ext", 0xfffe],
    ["vga=normal vga=1", 0xffff],
    ["video=vga=2", 2],
  ])("tells the kernel of the video mode in %s", (commandLine, mode) => {
    expect(patch(makeHeader(), { commandLine }).readUInt16LE(0x1fa)).toBe(mode);
  });

  it("leaves a UKI alone, and what is too short for a header", () => {
    for (const file of [Buffer.alloc(4096, 0x22), Buffer.alloc(0x238 - 1, "HdrS")]) {
      expect(patch(file, { initrdBytes: 5 }).equals(file)).toBe(true);
    }
  });

  it.each<[string, Buffer, Partial<KernelPlacement>]>([
    ["an initrd larger than low memory", makeHeader(), { initrdBytes: 1024 * MIB }],
    ["memory smaller than what ACPI tables need", makeHeader(), { memoryBytes: 4096, initrdBytes: 1 }],
    ["a kernel of an old protocol", makeHeader({ protocol: 0x202 }), {}],
    ["a kernel that is loaded low", makeHeader({ loadFlags: 0 }), {}],
    ["a video mode that is none", makeHeader(), { commandLine: "vga=wide" }],
    ["no video mode", makeHeader(), { commandLine: "vga=" }],
  ])("refuses %s, as QEMU does", (_, kernel, placement) => {
    expect(() => patch(kernel, placement)).toThrow(FormatError);
  });

  it("gives as many bytes or a FormatError for any header", () => {
    const bytes = fc.uint8Array({ minLength: 0x60, maxLength: 0x60 });
    fc.assert(
      fc.property(bytes, fc.nat(), fc.nat(), fc.string(), (fuzz, memoryBytes, initrdBytes, commandLine) => {
        const kernel = makeHeader();
        kernel.set(fuzz, 0x1f1);
        kernel.write("HdrS", 0x202, "latin1");
        try {
          expect(patch(kernel, { memoryBytes, initrdBytes, commandLine })).toHaveLength(kernel.length);
        } catch (error) {
          expect(error).toBeInstanceOf(FormatError);
        }
      }),
      { seed: 1 },
    );
  });
});

describe("isKernelPatched", () => {
  it.each<["plain" | "tdx" | "sev", string, string, boolean]>([
    ["plain", "7.2.22", "2022.11-6+deb12u2", true],
    ["plain", "7.2.22", "2025.02-8+deb13u1", true],
    ["plain", "10.0.13", "2022.11", true],
    ["plain", "9.2.4", "2025.02", true],
    ["plain", "10.0.0", "2025.02", false],
    ["plain", "11.1.3", "2026.08+ds-2", false],
    ["tdx", "10.1.0", "2024.11", true],
    ["tdx", "10.2.0", "2024.11", false],
    ["sev", "7.2.0", "2022.11", false],
  ])("of a %s guest with QEMU %s and OVMF %s: %s", (guest, qemuVersion, firmwareRelease, patched) => {
    expect(isKernelPatched({ guest, qemuVersion, firmwareRelease })).toBe(patched);
  });
});
