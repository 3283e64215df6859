import { describe, expect, it } from "vitest";
import { digest, FormatError, type Guid } from "@cvm-build/bytes";
import { FILE_TYPES, SECTION_TYPES } from "./firmware/volume-format.ts";
import { makeFile, makeFlash, makeSection, makeVolume } from "./firmware/volume.fixture.ts";
import { predictPcr0 } from "./pcr0.ts";
import { predictFirmwarePcr1 } from "./pcr1.ts";

const PEI_CORE = "52c05b14-0b98-496c-bc3b-04b50211d680";
const PLATFORM_PEI = "222c386d-5abc-4fb4-b124-fbb82488acf4";
const TD_TCG2_PEI = "fcb3a3d6-6274-411c-a548-bd0e717d533a";
const SMM_ACCESS_PEI = "6c0e75b4-b0b9-44d1-8210-3377d7b4e066";
const TCG2_PEI = "a0c98b77-cba5-4bb8-993b-4af6ce33ece4";
const BEFORE_MEMORY = [
  PEI_CORE,
  "9b3ada4f-ae56-4c24-8dea-f03b7558ae50",
  "a3610442-e69f-4df3-82ca-2360c4031a23",
  "9d225237-fa01-464c-a949-baabc02d31d0",
] as const;

const MACHINE = { type: "q35", memoryBytes: 2 ** 30, vcpus: 1, qemuVersion: "10.0.13" } as const;
/** `mov dword [rip + 6], 0x608`, six other bytes, and what it sets. */
const TIMER = Buffer.from("c7050600000008060000909090909090aabbccdd", "hex");

/** A PE image of headers and code, as much as a module needs to be read. */
function makeImage(code: Buffer): Buffer {
  const image = Buffer.concat([Buffer.alloc(0x200), code]);
  image.write("MZ");
  image.writeUInt32LE(0x40, 0x3c);
  image.write("PE", 0x40);
  image.writeUInt16LE(0x8664, 0x44);
  image.writeUInt16LE(0xf0, 0x54);
  image.writeUInt16LE(0x20b, 0x58);
  image.writeBigUInt64LE(0x830000n, 0x58 + 24);
  image.writeUInt32LE(0x20, 0x58 + 32);
  image.writeUInt32LE(0x20, 0x58 + 36);
  image.writeUInt32LE(image.length, 0x58 + 56);
  image.writeUInt32LE(0x200, 0x58 + 60);
  image.writeUInt32LE(16, 0x58 + 108);
  return image;
}

function makeModule(name: Guid, code: Buffer = Buffer.alloc(32)): Buffer {
  const type = name === PEI_CORE ? FILE_TYPES.peiCore : FILE_TYPES.peim;
  return makeFile(name, type, [makeSection(SECTION_TYPES.pe32, makeImage(code))]);
}

const wide = (text: string) => Buffer.from(`${text}\0`, "utf16le");

/** Firmware as OVMF's, but for its code. */
function makeFirmware(
  version: string,
  {
    before = [...BEFORE_MEMORY, TD_TCG2_PEI],
    after = [] as Guid[],
    core = TIMER,
  }: { before?: Guid[]; after?: Guid[]; core?: Buffer } = {},
): { flash: Buffer; pei: Buffer } {
  const modules = [...before, PLATFORM_PEI, ...after].map((name) =>
    makeModule(name, name === PEI_CORE ? core : undefined),
  );
  const pei = makeVolume([...modules, makeModule(TCG2_PEI, Buffer.concat([Buffer.alloc(8), wide(version)]))], 0x3000);
  return { flash: makeFlash([pei, makeVolume([], 0x2000)]), pei };
}

describe("PCR 0", () => {
  it.each([
    ["q35", "08060000"],
    ["pc", "08b00000"],
  ] as const)("holds the volume with the timer's port of %s", async (type, port) => {
    const { flash, pei } = makeFirmware("2025.02-1");
    const written = Buffer.from(pei);
    Buffer.from(port, "hex").copy(written, pei.indexOf("aabbccdd", "hex"));
    const { events } = await predictPcr0({ firmware: flash, machine: { ...MACHINE, type }, banks: ["sha256"] });
    const sha256 = (bytes: Buffer) => digest("sha256", bytes).toString("hex");
    expect(events.map((event) => [event.register, event.type, event.digests.sha256])).toEqual([
      ["pcr0", "EV_S_CRTM_VERSION", sha256(wide("2025.02-1"))],
      ["pcr0", "EV_EFI_PLATFORM_FIRMWARE_BLOB", sha256(written)],
      ["pcr0", "EV_EFI_PLATFORM_FIRMWARE_BLOB", sha256(makeVolume([], 0x2000))],
      ["pcr0", "EV_SEPARATOR", sha256(Buffer.alloc(4))],
    ]);
  });

  it("holds the volume as it is where nothing writes to it", async () => {
    const { flash, pei } = makeFirmware("2026.08+ds-1", { core: Buffer.alloc(16) });
    const { events } = await predictPcr0({ firmware: flash, machine: MACHINE });
    expect(events[1]?.digests.sha512).toBe(digest("sha512", pei).toString("hex"));
  });

  it.each([
    ["of a release between those that are known", makeFirmware("2024.11-1").flash, /2024\.11-1/],
    ["of a release after those", makeFirmware("2026.11+ds-1").flash, /2026\.11/],
    ["that states no version, and is not 2022.11", makeFirmware("").flash, /states no version/],
    [
      "that states 2022.11's nothing, with other code",
      makeFirmware("", { before: [...BEFORE_MEMORY] }).flash,
      /PlatformPei/,
    ],
    [
      "with a module that is not known to run early",
      makeFirmware("2025.02-1", { before: [...BEFORE_MEMORY, TCG2_PEI] }).flash,
      /known/,
    ],
    [
      "with the management mode, of a revision not watched",
      makeFirmware("2025.02-1", { after: [SMM_ACCESS_PEI] }).flash,
      /2025\.02-8/,
    ],
    [
      "with the management mode and other code",
      makeFirmware("2026.08+ds-2", { after: [SMM_ACCESS_PEI] }).flash,
      /relocation/,
    ],
    ["of one volume", makeFlash([makeVolume([])]), /two volumes/],
    ["without a module that measures", makeFlash([makeVolume([]), makeVolume([])]), /TPM/],
    ["that is none", Buffer.alloc(0x4000), /two volumes/],
  ])("is not predicted for firmware %s", async (_, firmware, reason) => {
    const { events, unpredicted } = await predictPcr0({ firmware, machine: MACHINE });
    expect(events).toEqual([]);
    expect(unpredicted).toMatch(reason);
  });

  it("is not predicted for guests under TDX or SEV", async () => {
    const { flash } = makeFirmware("2025.02-1");
    const { unpredicted } = await predictPcr0({ firmware: flash, machine: { ...MACHINE, guest: "sev" } });
    expect(unpredicted).toMatch(/SEV/);
  });

  it("is not predicted for the management mode on a machine without", async () => {
    const { flash } = makeFirmware("2025.02-1", { after: [SMM_ACCESS_PEI] });
    const { unpredicted } = await predictPcr0({ firmware: flash, machine: { ...MACHINE, type: "pc" } });
    expect(unpredicted).toMatch(/q35/);
  });
});

it("gives a prediction, a reason or a FormatError, whatever the volume", async () => {
  const { pei } = makeFirmware("2025.02-8+deb13u1", { after: [SMM_ACCESS_PEI] });
  const dxe = makeVolume([]);
  let seed = 11;
  const random = (below: number) => (seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0) % below;
  for (let round = 0; round < 150; round++) {
    const bytes = Buffer.from(pei);
    for (let change = random(6) + 1; change > 0; change--) bytes[72 + random(pei.length - 72)] = random(256);
    try {
      const { events, unpredicted } = await predictPcr0({
        firmware: makeFlash([bytes, dxe]),
        machine: MACHINE,
        banks: ["sha1"],
      });
      expect(events.length === 0).toBe(unpredicted !== undefined);
    } catch (error) {
      expect(error).toBeInstanceOf(FormatError);
    }
  }
});

describe("PCR 1", () => {
  const build = { version: "", release: "2022.11", hasSmm: false, hasSecureBoot: true } as const;

  it.each([
    ["firmware that is not known", undefined, "kernel", true, /not known/],
    ["2026.08", { ...build, release: "2026.08" } as const, "kernel", true, /ACPI.*SMBIOS/],
    ["2025.02", { ...build, release: "2025.02" } as const, "kernel", true, /ACPI/],
    ["boots from a disk", build, "disk", true, /devices/],
    ["variables that were used", build, "kernel", false, /store of variables/],
  ] as const)("is not predicted for %s", (_, of, path, hasFreshVariables, reason) => {
    const { events, unpredicted } = predictFirmwarePcr1({ build: of, path, hasFreshVariables });
    expect(events).toEqual([]);
    expect(unpredicted).toMatch(reason);
  });
});
