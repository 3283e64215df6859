import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { type ByteSource, bytesSource, CvmError, FormatError } from "@cvm-build/bytes";
import * as fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { assembleUki } from "./assemble.ts";
import { inspectUki } from "./inspect.ts";
import { COFF_SYMBOL_BYTES, SectionHeader } from "./pe/format.ts";
import { makeKernel, makeStub, makeZboot, type MadePe } from "./pe/pe.fixture.ts";
import { readPe } from "./pe/reader.ts";
import type { SectionInput } from "./requested-sections.ts";
import { UKI_SECTIONS } from "./sections.ts";
import { effectiveSections, readUki } from "./uki.ts";

let folder: string;
beforeAll(() => void (folder = mkdtempSync(join(tmpdir(), "cvm-uki-"))));
afterAll(() => rmSync(folder, { recursive: true }));

const text = (content: string): ByteSource => bytesSource(Buffer.from(content));
const kernel = bytesSource(makeKernel("6.12.1-test"));
const basic: SectionInput[] = [
  { name: ".initrd", content: [text("first, "), text("second")] },
  { name: ".linux", content: [kernel] },
  { name: ".cmdline", content: [text("console=ttyS0")] },
  { name: ".osrel", content: [text("ID=test\n")] },
];

function assemble(sections: SectionInput[], stub: Buffer = makeStub("257.13-1")) {
  const output = join(folder, "image.efi");
  const written = assembleUki({ stub: bytesSource(stub), sections, output });
  return { written, bytes: readFileSync(output) };
}

function failure(sections: SectionInput[], stub?: Buffer): CvmError {
  try {
    assemble(sections, stub);
  } catch (error) {
    if (error instanceof CvmError) return error;
    throw error;
  }
  throw new Error("expected a failure");
}

describe("assembleUki", () => {
  it("writes what it is given, where it says", () => {
    const { written, bytes } = assemble(basic);
    expect(written.sizeBytes).toBe(bytes.length);
    expect(written.sections.map(({ name }) => name)).toEqual([".osrel", ".cmdline", ".linux", ".initrd", ".sbat"]);
    const contents = written.sections.map(({ name, offsetBytes, sizeBytes }) => [
      name,
      bytes.toString("latin1", offsetBytes, offsetBytes + sizeBytes),
    ]);
    expect(Object.fromEntries(contents)).toMatchObject({
      ".osrel": "ID=test\n",
      ".cmdline": "console=ttyS0",
      ".initrd": "first, \0second\0\0",
      ".linux": kernel.read(0, kernel.sizeBytes).toString("latin1"),
    });
    const uki = readUki(bytesSource(bytes));
    expect(uki.stubVersion).toEqual({ text: "257.13-1", major: 257 });
    expect(Object.fromEntries([...uki.base].map(([name, { sizeBytes }]) => [name, sizeBytes]))).toEqual(
      Object.fromEntries(written.sections.map(({ name, sizeBytes }) => [name, sizeBytes])),
    );
  });

  it("leaves a sound image: aligned, apart, sized, without a checksum, with the stub's time stamp", () => {
    const { optional, coff, sections } = readPe(bytesSource(assemble(basic).bytes));
    const ends = sections.map(({ virtualAddress, virtualSizeBytes }) => virtualAddress + virtualSizeBytes);
    for (const [index, { virtualAddress, pointerToRawData, sizeOfRawData }] of sections.entries()) {
      expect([virtualAddress % 4096, pointerToRawData % 512, sizeOfRawData % 512]).toEqual([0, 0, 0]);
      expect(virtualAddress).toBeGreaterThanOrEqual(ends[index - 1] ?? 0);
    }
    expect(optional.sizeOfImage).toBe(Math.ceil(Math.max(...ends) / 4096) * 4096);
    expect(optional.checkSum).toBe(0);
    expect(coff.timeDateStamp).toBe(0x1234_5678);
    expect(optional.sizeOfInitializedData).toBe(1024 + 8 + 13 + kernel.sizeBytes + 16);
  });

  it("gives the same bytes whatever the order of the request and what was at the output", () => {
    const { bytes } = assemble(basic);
    const again = assemble(basic.toReversed());
    expect(again.bytes.equals(bytes)).toBe(true);
  });

  it("claims NX compatibility only if the kernel does", () => {
    const nx = (bytes: Buffer) => readPe(bytesSource(bytes)).optional.dllCharacteristics & 0x100;
    const old = bytesSource(makeKernel("5.4", { nxCompat: false }));
    expect(nx(assemble(basic).bytes)).toBe(0x100);
    expect(nx(assemble([{ name: ".linux", content: [old] }]).bytes)).toBe(0);
  });

  it("unpacks a kernel that firmware could not start, and leaves one that unpacks itself", () => {
    const kernels = [kernel.read(0, kernel.sizeBytes), makeZboot(makeKernel("6.12"), "zstd22")] as const;
    const linux = (bytes: Buffer) =>
      readUki(bytesSource(assemble([{ name: ".linux", content: [bytesSource(bytes)] }]).bytes)).base.get(".linux")
        ?.content;
    for (const [given, expected] of [
      [gzipSync(kernels[0]), kernels[0]],
      [zstdCompressSync(kernels[0]), kernels[0]],
      [kernels[1], kernels[1]],
    ] as const) {
      const content = linux(given);
      expect(content?.read(0, content.sizeBytes).equals(expected)).toBe(true);
    }
  });

  it("merges the SBAT rows that are given instead of the UKI's", () => {
    const given: SectionInput = { name: ".sbat", content: [text("sbat,1\r\na,1,A\r\n"), text("sbat,1\nb,1,B")] };
    expect(
      inspectUki(bytesSource(assemble([...basic, given]).bytes))
        .sbat?.split("\n")
        .slice(1),
    ).toEqual(["systemd-stub,1,The systemd Developers,systemd,1,https://systemd.io/", "a,1,A", "b,1,B", ""]);
  });

  it("merges the SBAT rows of stub and kernel and adds the UKI's", () => {
    const header = "sbat,1,SBAT Version,sbat,1,https://github.com/rhboot/shim/blob/main/SBAT.md\n";
    const signed = makeKernel("6.12", { sections: [{ name: ".sbat", content: `${header}linux,1,Linux,linux,1,x\n` }] });
    const { bytes, written } = assemble([{ name: ".linux", content: [bytesSource(signed)] }]);
    expect(written.sbat).toBe("merged");
    expect(inspectUki(bytesSource(bytes)).sbat).toBe(
      `${header}systemd-stub,1,The systemd Developers,systemd,1,https://systemd.io/\nlinux,1,Linux,linux,1,x\n` +
        "uki,1,UKI,uki,1,https://uapi-group.org/specifications/specs/unified_kernel_image/\n",
    );
  });

  it("keeps the stub's SBAT where merged rows would reach into the next section", () => {
    const crowded = makeStub("252.39");
    const [, sbat, magic] = readPe(bytesSource(crowded)).sections;
    if (!sbat || !magic) throw new Error("the made stub has both sections");
    const addressField = magic.headerOffset + SectionHeader.offsetOf("virtualAddress");
    crowded.writeUInt32LE(sbat.virtualAddress + sbat.virtualSizeBytes + 1, addressField);
    const { bytes, written } = assemble(basic, crowded);
    expect(written.sbat).toBe("stub");
    expect(inspectUki(bytesSource(bytes)).sbat).not.toContain("uki,1");
  });

  it("drops a symbol table at the end of the stub", () => {
    const strings = Buffer.from([4, 0, 0, 0]);
    const symbols = Buffer.concat([Buffer.alloc(3 * COFF_SYMBOL_BYTES, 0xaa), strings]);
    const plain = makeStub("252");
    const made: Partial<MadePe> = {
      trailing: symbols,
      coff: { pointerToSymbolTable: plain.length, numberOfSymbols: 3 },
    };
    const { bytes } = assemble(basic, makeStub("252", made));
    expect(bytes.includes(Buffer.alloc(18, 0xaa))).toBe(false);
    expect(readPe(bytesSource(bytes)).coff).toMatchObject({ pointerToSymbolTable: 0, numberOfSymbols: 0 });
    expect(bytes.length).toBe(assemble(basic, plain).bytes.length);
  });

  it.each<[string, SectionInput[], Buffer | undefined, string, string]>([
    ["no PE", basic, Buffer.from("no stub"), "uki-stub", "cannot use stub: expected systemd-stub"],
    ["a kernel as a stub", basic, makeKernel("6"), "uki-stub", "expected systemd-stub"],
    [
      "a signed stub",
      basic,
      makeStub("257", { trailing: Buffer.alloc(8), securityBytes: 8 }),
      "uki-stub",
      "expected an unsigned image, got a signed one",
    ],
    [
      "a stub without room in its headers",
      basic,
      makeStub("257", { headerBytes: 512 }),
      "uki-stub",
      "expected room for 4 more section headers, got 1",
    ],
    [
      "a crooked stub",
      basic,
      makeStub("257", { sections: [{ name: ".x", content: "x", sizeOfRawData: 100 }] }),
      "uki-stub",
      "expected sections aligned to 512 bytes",
    ],
    [
      "an empty section",
      [...basic, { name: ".splash", content: [] }],
      undefined,
      "uki-section",
      'cannot add section ".splash": expected content, got 0 bytes',
    ],
    [
      "a section twice",
      [...basic, { name: ".osrel", content: [text("x")] }],
      undefined,
      "uki-section",
      'cannot add section ".osrel": expected it once, got it twice',
    ],
    [
      "SBAT rows that do not fit",
      [...basic, { name: ".sbat", content: [text(`sbat,1\nx,1,${"x".repeat(400)}\n`)] }],
      undefined,
      "uki-section",
      "expected at most the 512 bytes that the stub has for it, got 5",
    ],
    [
      "SBAT rows without a header",
      [...basic, { name: ".sbat", content: [text("uki,1,x\n")] }],
      undefined,
      "uki-section",
      'expected a first line that begins with "sbat,"',
    ],
    ["no kernel", basic.filter(({ name }) => name !== ".linux"), undefined, "uki-kernel", 'expected section ".linux"'],
    [
      "a NUL in a text, behind which nobody reads",
      [...basic, { name: ".uname", content: [text("6.12\0.1")] }],
      undefined,
      "uki-section",
      'cannot add section ".uname": expected text without NUL, got one at character 4',
    ],
    [
      "text that is not UTF-8",
      [
        ...basic.filter(({ name }) => name !== ".cmdline"),
        { name: ".cmdline", content: [bytesSource(Buffer.of(0xff))] },
      ],
      undefined,
      "uki-section",
      'cannot add section ".cmdline": expected UTF-8',
    ],
    [
      "a release with a newline",
      [...basic, { name: ".uname", content: [text("6.12\n")] }],
      undefined,
      "uki-section",
      'expected a kernel release without blanks, got "6.12\\n"',
    ],
    [
      "a stub that is too old for microcode",
      [...basic, { name: ".ucode", content: [text("x")] }],
      makeStub("255.4-1"),
      "uki-stub",
      'cannot add section ".ucode": expected systemd-stub 256 or later, got 255.4-1',
    ],
    [
      "a stub that is too old for firmware",
      [...basic, { name: ".efifw", content: [text("x")] }],
      undefined,
      "uki-stub",
      'cannot add section ".efifw": expected systemd-stub 258 or later, got 257.13-1',
    ],
    [
      "a stub for 32-bit firmware",
      basic,
      makeStub("257", { coff: { machine: 0x14c } }),
      "uki-stub",
      "cannot use stub: expected x86-64 or aarch64, got ia32",
    ],
    [
      "a kernel for another machine",
      [{ name: ".linux", content: [bytesSource(makeKernel("6.12", { coff: { machine: 0xaa64 } }))] }],
      undefined,
      "uki-kernel",
      'cannot add section ".linux": expected a kernel for x86-64, got one for aarch64',
    ],
    [
      "a kernel that is a driver",
      [{ name: ".linux", content: [bytesSource(makeKernel("6.12", { optional: { subsystem: 11 } }))] }],
      undefined,
      "uki-kernel",
      "expected a kernel that is an EFI application",
    ],
    [
      "a kernel compressed with what cannot be unpacked here",
      [
        {
          name: ".linux",
          content: [bytesSource(Buffer.concat([Buffer.from("\xfd7zXZ\0", "latin1"), Buffer.alloc(99)]))],
        },
      ],
      undefined,
      "uki-kernel",
      "cannot decompress kernel: expected gzip or zstd, got xz",
    ],
    [
      "a damaged gzip kernel",
      [{ name: ".linux", content: [bytesSource(Buffer.concat([Buffer.of(0x1f, 0x8b), Buffer.alloc(99)]))] }],
      undefined,
      "uki-kernel",
      "cannot decompress kernel: expected gzip of at most",
    ],
    [
      "a kernel that is no EFI application",
      [{ name: ".linux", content: [text("\x7fELF")] }],
      undefined,
      "uki-kernel",
      "expected a kernel that is an EFI application",
    ],
    [
      "more than 4 GiB",
      [...basic.slice(1), { name: ".initrd", content: [{ sizeBytes: 2 ** 32, read: () => Buffer.alloc(0) }] }],
      undefined,
      "uki-section",
      "expected an image below 4 GiB",
    ],
  ])("refuses %s", (_, sections, stub, code, message) => {
    const error = failure(sections, stub);
    expect(error.message).toContain(message);
    expect(error.code).toBe(code);
  });

  it("gives an image or a CvmError for a mutated stub", () => {
    const original = makeStub("257.13", { trailing: Buffer.alloc(64, 1) });
    const mutation = fc.tuple(fc.nat(700), fc.nat(255));
    fc.assert(
      fc.property(fc.array(mutation, { minLength: 1, maxLength: 4 }), (mutations) => {
        const stub = Buffer.from(original);
        for (const [offset, value] of mutations) stub[offset] = value;
        try {
          expect(readUki(bytesSource(assemble(basic, stub).bytes)).base.has(".linux")).toBe(true);
        } catch (error) {
          expect(error).toBeInstanceOf(CvmError);
        }
      }),
      { seed: 1, numRuns: 250 },
    );
  });

  it("leaves nothing behind where it cannot write or a source breaks", () => {
    const output = join(folder, "missing", "image.efi");
    expect(() => assembleUki({ stub: bytesSource(makeStub("257")), sections: basic, output })).toThrow(
      `cannot write image "${output}": ENOENT`,
    );
    mkdirSync(join(folder, "broken"));
    const broken: ByteSource = {
      sizeBytes: 9,
      read: () => {
        throw new FormatError({ record: "file" }, "the file ended early");
      },
    };
    const halfway = join(folder, "broken", "image.efi");
    expect(() =>
      assembleUki({
        stub: bytesSource(makeStub("257")),
        sections: [...basic.slice(1), { name: ".initrd", content: [broken] }],
        output: halfway,
      }),
    ).toThrow("the file ended early");
    expect(existsSync(halfway)).toBe(false);
  });
});

describe("assembleUki with profiles", () => {
  const stub = bytesSource(makeStub("257.13-1"));
  const profile = (id: string, more: SectionInput[] = []) => ({
    sections: [...more, { name: ".profile" as const, content: [text(`ID=${id}\nTITLE="The ${id}"\n`)] }],
  });
  const build = (profiles: { sections: SectionInput[] }[], sections = basic) => {
    const output = join(folder, "profiles.efi");
    const written = assembleUki({ stub, sections, profiles, output });
    return { names: written.sections.map(({ name }) => name), bytes: readFileSync(output) };
  };

  it("puts each profile behind what all share, its marker first, its policies last", () => {
    const { names, bytes } = build([
      profile("main", [{ name: ".pcrsig", content: [text("{}")] }]),
      profile("debug", [
        { name: ".pcrsig", content: [text("{ }")] },
        { name: ".cmdline", content: [text("debug")] },
        { name: ".dtbauto", content: [text("one")] },
        { name: ".dtbauto", content: [text("two")] },
      ]),
    ]);
    expect(names.join(" ")).toBe(
      ".osrel .cmdline .linux .initrd .profile .pcrsig .profile .cmdline .dtbauto .dtbauto .pcrsig .sbat",
    );
    const { profiles, kind } = inspectUki(bytesSource(bytes));
    expect(kind).toBe("uki");
    expect(profiles?.map(({ id, title, cmdline }) => ({ id, title, cmdline }))).toEqual([
      { id: "main", title: "The main", cmdline: undefined },
      { id: "debug", title: "The debug", cmdline: "debug" },
    ]);
    expect(profiles?.[1]?.sections.filter(({ name }) => name === ".dtbauto")).toHaveLength(2);
  });

  it.each<[string, { sections: SectionInput[] }[], SectionInput[], string]>([
    ["one without .profile", [{ sections: [] }], basic, "expected it in every profile, got a profile without"],
    [
      "one with .sbat",
      [profile("a", [{ name: ".sbat", content: [text("sbat,1")] }])],
      basic,
      "expected it among what profiles share, got it in one of them",
    ],
    [
      ".profile among what profiles share",
      [profile("a")],
      [...basic, { name: ".profile", content: [text("ID=b")] }],
      "expected it in profiles alone, got it among what they share",
    ],
  ])("refuses %s", (_, profiles, sections, message) => {
    expect(() => build(profiles, sections)).toThrow(message);
  });

  it("names the version that knows them", () => {
    const request = { stub: bytesSource(makeStub("256.9")), sections: basic, profiles: [profile("a")] };
    expect(() => assembleUki({ ...request, output: join(folder, "old.efi") })).toThrow(
      'cannot add section ".profile": expected systemd-stub 257 or later, got 256.9',
    );
  });
});

describe("UKI_SECTIONS", () => {
  it("gives each section its own place in the file", () => {
    const ranks = Object.values(UKI_SECTIONS).map(({ fileRank }) => fileRank);
    expect(new Set(ranks).size).toBe(ranks.length);
  });
});

describe("readUki", () => {
  const made = (sections: MadePe["sections"]) => readUki(bytesSource(makeStub("257", { sections })));
  const contentOf = (sections: ReturnType<typeof effectiveSections>) =>
    Object.fromEntries(
      [...sections].map(([name, { content }]) => [name, content.read(0, content.sizeBytes).toString("latin1")]),
    );

  it("takes the first of a name, leaves out empty ones and what it does not know", () => {
    const uki = made([
      { name: ".osrel", content: "first" },
      { name: ".osrel", content: "second" },
      { name: ".cmdline", content: "" },
      { name: ".unknown", content: "x" },
    ]);
    expect([...uki.base.keys()]).toEqual([".sbat", ".osrel"]);
    expect(contentOf(uki.base)).toMatchObject({ ".osrel": "first" });
    expect(uki.profiles).toEqual([]);
  });

  it("reads VirtualSize bytes, with zeros where the file has none", () => {
    const uki = made([
      { name: ".osrel", content: "long in the file", virtualSizeBytes: 4 },
      { name: ".cmdline", content: "x".repeat(512), virtualSizeBytes: 514 },
    ]);
    expect(contentOf(uki.base)).toMatchObject({ ".osrel": "long", ".cmdline": `${"x".repeat(512)}\0\0` });
  });

  it("refuses to be made to read gigabytes of zeros", () => {
    expect(() => made([{ name: ".initrd", content: "x", virtualSizeBytes: 0xf000_0000 }])).toThrow(FormatError);
  });

  it("has a profile override the base", () => {
    const uki = made([
      { name: ".osrel", content: "base" },
      { name: ".cmdline", content: "base" },
      { name: ".profile", content: "ID=a" },
      { name: ".cmdline", content: "of a" },
      { name: ".profile", content: "ID=b" },
    ]);
    expect(uki.profiles).toHaveLength(2);
    expect(contentOf(effectiveSections(uki))).toMatchObject({
      ".osrel": "base",
      ".cmdline": "of a",
      ".profile": "ID=a",
    });
    expect(contentOf(effectiveSections(uki, 1))).toMatchObject({ ".cmdline": "base", ".profile": "ID=b" });
  });
});
