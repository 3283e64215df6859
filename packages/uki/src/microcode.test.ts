import { bytesSource, CvmError } from "@cvm-build/bytes";
import { describe, expect, it } from "vitest";
import { microcodeArchives } from "./microcode.ts";

function intelUpdate(filler: string): Buffer {
  const bytes = Buffer.alloc(2048, filler);
  bytes.writeUInt32LE(1, 0);
  bytes.writeUInt32LE(1, 20);
  return bytes;
}
const amdContainer = Buffer.concat([Buffer.from("DMA\0"), Buffer.alloc(1500, "amd")]);
const file = (name: string, bytes: Buffer) => ({ name, content: bytesSource(bytes) });
const made = (...files: ReturnType<typeof file>[]) =>
  microcodeArchives(files).map((part) => part.read(0, part.sizeBytes));

/** Entries of an archive, read by hand. */
function entriesOf(archive: Buffer): { path: string; mode: string; offset: number; content: Buffer }[] {
  const entries = [];
  for (let at = 0; at < archive.length;) {
    const field = (index: number) =>
      Number.parseInt(archive.toString("latin1", at + 6 + index * 8, at + 14 + index * 8), 16);
    expect(archive.toString("latin1", at, at + 6)).toBe("070701");
    const offset = Math.ceil((at + 110 + field(11)) / 4) * 4;
    const path = archive.toString("latin1", at + 110, at + 110 + field(11)).replace(/\0+$/, "");
    entries.push({ path, mode: field(1).toString(8), offset, content: archive.subarray(offset, offset + field(6)) });
    at = Math.ceil((offset + field(6)) / 4) * 4;
  }
  return entries;
}

describe("microcodeArchives", () => {
  it("puts the updates of each vendor where the kernel looks, aligned for the processor", () => {
    const [b, a] = [intelUpdate("b"), intelUpdate("a")];
    const [archive, ...more] = made(file("06-8f-08", b), file("amd.bin", amdContainer), file("06-8f-07", a));
    expect(more).toEqual([]);
    const entries = entriesOf(archive ?? Buffer.alloc(0));
    expect(entries.map(({ path, mode }) => `${mode} ${path}`)).toEqual([
      "40755 kernel",
      "40755 kernel/x86",
      "40755 kernel/x86/microcode",
      "100644 kernel/x86/microcode/GenuineIntel.bin",
      "100644 kernel/x86/microcode/AuthenticAMD.bin",
      "0 TRAILER!!!",
    ]);
    const [, , , intel, amd] = entries;
    expect(intel?.content.equals(Buffer.concat([a, b]))).toBe(true);
    expect(amd?.content.equals(amdContainer)).toBe(true);
    expect([(intel?.offset ?? 1) % 16, (amd?.offset ?? 1) % 16]).toEqual([0, 0]);
  });

  it("takes an archive as it is, behind updates", () => {
    const [archive = Buffer.alloc(0)] = made(file("a", intelUpdate("a")));
    expect(made(file("intel-ucode.img", archive))).toEqual([archive]);
    expect(made(file("intel-ucode.img", archive), file("amd", amdContainer))).toHaveLength(2);
    expect(made()).toEqual([]);
  });

  it.each([
    ["something else", Buffer.alloc(100, "x"), "expected an uncompressed cpio archive or an update"],
    ["an archive without microcode", Buffer.alloc(200, "070701"), "expected kernel/x86/microcode/GenuineIntel.bin or"],
    ["nothing", Buffer.alloc(0), "expected an uncompressed cpio archive"],
  ])("refuses %s", (_, bytes, message) => {
    expect(() => made(file("x.img", bytes))).toThrow(CvmError);
    expect(() => made(file("x.img", bytes))).toThrow(`cannot read microcode "x.img": ${message}`);
  });
});
