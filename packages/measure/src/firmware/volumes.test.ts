import { FormatError } from "@cvm-build/bytes";
import { describe, expect, it } from "vitest";
import { unpackOvmf } from "./ovmf.ts";
import { FILE_TYPES, LZMA_SECTION, SECTION_TYPES } from "./volume-format.ts";
import { makeFile, makeFlash, makeGuidedSection, makeSection, makeVolume } from "./volume.fixture.ts";
import { readFiles, readFlashVolumes, readSections, readVolume } from "./volumes.ts";

const NAME = "11111111-2222-3333-4444-555555555555";
const text = (content: string) => Buffer.from(content);

/** `bytes` with others at an offset. */
function changed(bytes: Buffer, offset: number, ...values: number[]): Buffer {
  const copy = Buffer.from(bytes);
  copy.set(values, offset);
  return copy;
}

describe("firmware volumes", () => {
  const module = makeFile(NAME, FILE_TYPES.peim, [
    makeSection(SECTION_TYPES.userInterface, Buffer.from("Pei\0", "utf16le")),
    makeGuidedSection(LZMA_SECTION, text("packed")),
  ]);
  const padding = makeFile(NAME, FILE_TYPES.pad, [Buffer.alloc(5)]);
  const whole = makeVolume([padding, module, module]);

  it("are found in flash, wherever they begin", () => {
    const flash = Buffer.concat([Buffer.alloc(0x2000, 0xff), whole, Buffer.alloc(0x1000), makeVolume([], 0x3000)]);
    expect(readFlashVolumes(flash).map(({ bytes }) => bytes.length)).toEqual([0x1000, 0x3000]);
    expect(readFlashVolumes(Buffer.alloc(0x5000))).toEqual([]);
  });

  it("hold files, and these sections", () => {
    const files = readFiles(readVolume(whole));
    expect(files.map(({ name, type }) => [name, type])).toEqual([
      [NAME, FILE_TYPES.peim],
      [NAME, FILE_TYPES.peim],
    ]);
    const sections = readSections(files[1]!.content);
    expect(sections.map(({ type, definition, content }) => [type, definition, content.toString("latin1")])).toEqual([
      [SECTION_TYPES.userInterface, undefined, "P\0e\0i\0\0\0"],
      [SECTION_TYPES.guidDefined, LZMA_SECTION, "packed"],
    ]);
    const { contentOffset } = files[1]!;
    expect(whole.indexOf("packed", contentOffset)).toBe(contentOffset + sections[1]!.contentOffset);
  });

  it("may have files and sections too large for 24 bits", () => {
    const large = Buffer.alloc(16);
    large.writeUInt32LE(0xffffff);
    large.writeUInt8(SECTION_TYPES.pe32, 3);
    large.writeUInt32LE(16, 4);
    expect(readSections(large)).toMatchObject([
      { type: SECTION_TYPES.pe32, contentOffset: 8, content: Buffer.alloc(8) },
    ]);
    const small = makeFile(NAME, FILE_TYPES.peim, [Buffer.alloc(8), large]);
    small.writeUInt8(1, 19);
    small.writeBigUInt64LE(BigInt(small.length), 24);
    const [read] = readFiles(readVolume(makeVolume([small])));
    expect(read?.content).toEqual(large);
  });

  it.each([
    ["cut off", whole.subarray(0, 0x800)],
    ["without its signature", changed(whole, 40, 0x5f, 0x47)],
    ["with a checksum that is not right", changed(whole, 0x2c, 1)],
    ["with a header larger than itself", changed(whole, 0x30, 0xff, 0xff)],
    ["with a header smaller than a header", changed(whole, 0x30, 8, 0)],
    ["whose extended header lies outside", changed(whole, 0x34, 0xfe, 0xff)],
  ])("are refused %s", (_, bytes) => {
    expect(() => readFiles(readVolume(bytes))).toThrow(FormatError);
  });

  it.each([
    ["a file of no bytes", changed(whole, 72 + 20, 0, 0, 0)],
    ["a file that leaves the volume", changed(whole, 72 + 20, 0, 0, 1)],
  ])("are refused with %s", (_, bytes) => {
    expect(() => readFiles(readVolume(bytes))).toThrow(FormatError);
  });

  it.each([
    ["of no bytes", Buffer.from("00000010", "hex")],
    ["that leaves what holds it", Buffer.from("0900001000000000", "hex")],
    ["whose data begin before its head ends", changed(makeGuidedSection(LZMA_SECTION, text("x")), 20, 4)],
    ["whose data begin after its end", changed(makeGuidedSection(LZMA_SECTION, text("x")), 20, 0xff)],
  ])("refuse a section %s", (_, bytes) => {
    expect(() => readSections(bytes)).toThrow(FormatError);
  });

  it("are unpacked: the first two of the first file that holds any", async () => {
    const [first, second] = [makeVolume([module]), makeVolume([], 0x2000)];
    const unpacked = await unpackOvmf(Buffer.concat([makeVolume([]), makeFlash([first, second, first])]));
    expect(unpacked).toMatchObject({ pei: { bytes: first }, dxe: { bytes: second }, modules: [] });
    await expect(unpackOvmf(makeFlash([first]))).resolves.toBeUndefined();
    await expect(unpackOvmf(whole)).resolves.toBeUndefined();
  });

  it("give volumes or a FormatError, whatever the bytes", async () => {
    const flash = makeFlash([makeVolume([module]), makeVolume([module], 0x2000)]);
    let seed = 7;
    const random = (below: number) => (seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0) % below;
    for (let round = 0; round < 3000; round++) {
      const bytes = Buffer.from(flash).subarray(0, random(8) === 0 ? random(flash.length) : flash.length);
      for (let change = random(4) + 1; change > 0 && bytes.length > 0; change--) {
        bytes[random(Math.min(bytes.length, 1 + random(400)))] = random(3) === 0 ? 0xff : random(256);
      }
      await expectVolumes(() => unpackOvmf(bytes));
      await expectVolumes(async () =>
        readFlashVolumes(bytes).map((volume) => readFiles(volume).map((file) => readSections(file.content))),
      );
    }
  });
});

async function expectVolumes(read: () => Promise<unknown>): Promise<void> {
  try {
    await read();
  } catch (error) {
    expect(error).toBeInstanceOf(FormatError);
  }
}
