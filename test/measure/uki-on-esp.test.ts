import { createHash } from "node:crypto";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { bytesSource, FormatError, HASH_ALGORITHMS, type HashAlgorithm, openFileSource } from "@cvm-build/bytes";
import {
  BOOT_PHASES,
  compareWithLog,
  type EspFile,
  predictUkiOnEsp,
  readEventLog,
  type SecureBootVariables,
} from "@cvm-build/measure";
import { authenticodeDigests, digestList, encodeSignatureLists, readUki, type SectionName } from "@cvm-build/uki";
import * as fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { makeKernel, makeStub } from "../../packages/uki/src/pe/pe.fixture.ts";

const vectors = join(import.meta.dirname, "../../../shared/vectors/qemu-boots");
const vectorFile = (name: string) => readFileSync(join(vectors, "files", name));

let folder: string;
beforeAll(() => void (folder = mkdtempSync(join(tmpdir(), "cvm-measure-"))));
afterAll(() => rmSync(folder, { recursive: true }));

const kernel = makeKernel("6.12.1-test");

/** Made without the assembler, which adds no section that a stub ignores. */
function makeUki(stubVersion: string, given: Partial<Record<SectionName, string | Buffer>>): Buffer {
  const sections = Object.entries({ ".linux": kernel, ...given }).map(([name, content]) => ({ name, content }));
  return makeStub(stubVersion, { headerBytes: 2048, sections });
}

const predict = (uki: Buffer, more: { companions?: EspFile[]; banks?: HashAlgorithm[]; phases?: string[] } = {}) =>
  predictUkiOnEsp(bytesSource(uki), { banks: ["sha256"], phases: [], secureBoot: false, ...more });

const sha256 = (data: string | Uint8Array) => createHash("sha256").update(data).digest("hex");
const eventsOf = (prediction: Awaited<ReturnType<typeof predict>>, pcr: number) =>
  prediction.events
    .filter((event) => event.register === `pcr${pcr}`)
    .map(({ label, digests }) => [label, digests.sha256]);

/** Extends by hand, so that the test does not lean on what it tests. */
const fold = (digests: string[]) =>
  digests.reduce((value, digest) => sha256(Buffer.from(value + digest, "hex")), "00".repeat(32));

describe.skipIf(!existsSync(vectors))("predictUkiOnEsp against a real boot with files beside the UKI", () => {
  const run = "esp-257extras-trixie-q100";
  const place = "/EFI/BOOT/BOOTX64.EFI.extra.d";
  const files: [string, string][] = [
    [place, "local2.addon.efi"],
    [place, "local1.addon.efi"],
    [place, "foo.cred"],
    [place, "ext2.raw"],
    [place, "ext1.sysext.raw"],
    [place, "c1.confext.raw"],
    ["/loader/addons", "glob1.addon.efi"],
    ["/loader/credentials", "glob.cred"],
  ];

  async function compared() {
    const uki = makeUki("257.13", { ".cmdline": vectorFile("cmdline.txt") });
    const companions = files.map(([directory, name]) => ({
      path: `${directory}/${name}`,
      content: bytesSource(vectorFile(name)),
    }));
    const prediction = await predict(uki, { companions, banks: [...HASH_ALGORITHMS] });
    const runs = JSON.parse(readFileSync(join(vectors, "runs.json"), "utf8")) as {
      name: string;
      pcrs: Record<HashAlgorithm, Record<number, string>>;
    }[];
    const real = runs.find(({ name }) => name === run);
    if (!real) throw new Error(`${run} is among the vectors`);
    const log = readEventLog(gunzipSync(readFileSync(join(vectors, "runs", `${run}.log.gz`))));
    return { prediction, comparison: compareWithLog(prediction, { log, registers: real.pcrs }) };
  }

  it("gives PCR 12 and 13 in every bank, event by event", async () => {
    const { comparison } = await compared();
    for (const pcr of [12, 13]) {
      const register = comparison.registers.find((found) => found.register === `pcr${pcr}`);
      expect(register).toMatchObject({ equal: true, comparedBanks: HASH_ALGORITHMS, differingBanks: [] });
      expect(register?.events.map(({ predicted }) => predicted?.label)).toEqual(
        register?.events.map(({ real }) => real?.label),
      );
    }
  });

  it("gives the add-ons' part of PCR 4 and the command line's of PCR 9", async () => {
    const { comparison } = await compared();
    const [four, nine] = [4, 9].map((pcr) => comparison.registers.find((found) => found.register === `pcr${pcr}`));
    // Action, separator, UKI, three add-ons, kernel: UKI and kernel are made, the rest is as it was.
    expect(four?.events.map(({ equal }) => equal)).toEqual([true, true, false, true, true, true, false]);
    expect(nine?.events.map(({ equal }) => equal)).toEqual([true, false]);
    expect(four).toMatchObject({ equal: false, firstDifference: 2 });
  });
});

describe("predictUkiOnEsp", () => {
  const all: Partial<Record<SectionName, string>> = {
    ".osrel": "ID=test\n",
    ".cmdline": " console=ttyS0\tquiet \n",
    ".initrd": "initrd",
    ".splash": "splash",
    ".dtb": "dtb",
    ".uname": "6.12.1-test",
    ".ucode": "ucode!!",
    ".pcrpkey": "key",
    ".pcrsig": "{}",
    ".hwids": "hwids",
    ".dtbauto": "dtbauto",
  };
  const lists: [string, string][] = [
    ["252.39", ".linux .osrel .cmdline .initrd .splash .dtb .pcrpkey"],
    ["253.1", ".linux .osrel .cmdline .initrd .splash .dtb .pcrpkey"],
    ["254.26", ".linux .osrel .cmdline .initrd .splash .dtb .uname .sbat .pcrpkey"],
    ["255.4", ".linux .osrel .cmdline .initrd .splash .dtb .uname .sbat .pcrpkey"],
    ["256.7", ".linux .osrel .cmdline .initrd .ucode .splash .dtb .uname .sbat .pcrpkey"],
    ["257.13", ".linux .osrel .cmdline .initrd .ucode .splash .dtb .uname .sbat .pcrpkey .hwids"],
    ["258~rc1", ".linux .osrel .cmdline .initrd .ucode .splash .dtb .uname .sbat .pcrpkey .hwids"],
    ["262.1-1", ".linux .osrel .cmdline .initrd .ucode .splash .dtb .uname .sbat .pcrpkey .hwids"],
  ];

  it.each(lists)("measures into PCR 11 what systemd-stub %s does", async (version, list) => {
    const uki = makeUki(version, all);
    const prediction = await predict(uki);
    const { base } = readUki(bytesSource(uki));
    const expected = list.split(" ").flatMap((name) => {
      const content = base.get(name as SectionName)?.content;
      if (!content) throw new Error(`${name} is in the image`);
      return [sha256(`${name}\0`), sha256(content.read(0, content.sizeBytes))];
    });
    expect(eventsOf(prediction, 11).map(([, digest]) => digest)).toEqual(expected);
    expect(prediction.registers.pcr.sha256?.[11]).toBe(fold(expected));
  });

  it("has a value of PCR 11 for each phase path", async () => {
    const { phases, registers, events } = await predict(makeUki("257.13", {}), { phases: [...BOOT_PHASES] });
    const before = events.flatMap(({ register, digests, type }) =>
      register === "pcr11" && type ? [digests.sha256 ?? ""] : [],
    );
    const words = BOOT_PHASES.map((word) => sha256(word));
    expect(phases.sha256).toEqual({
      "": fold(before),
      "enter-initrd": fold([...before, ...words.slice(0, 1)]),
      "enter-initrd:leave-initrd": fold([...before, ...words.slice(0, 2)]),
      "enter-initrd:leave-initrd:sysinit": fold([...before, ...words.slice(0, 3)]),
      "enter-initrd:leave-initrd:sysinit:ready": fold([...before, ...words]),
    });
    expect(registers.pcr.sha256?.[11]).toBe(phases.sha256?.["enter-initrd:leave-initrd:sysinit:ready"]);
  });

  it("has the kernel in PCR 4 up to stub 257 only", async () => {
    const labels = async (version: string) => eventsOf(await predict(makeUki(version, {})), 4).map(([label]) => label);
    const common = ["Calling EFI Application from Boot Option", "separator", "/EFI/BOOT/BOOTX64.EFI"];
    expect(await labels("252.39")).toEqual([...common, ".linux"]);
    expect(await labels("257.13")).toEqual([...common, ".linux"]);
    expect(await labels("258")).toEqual(common);
  });

  it("hands a lone initrd on as it is, and several parts each padded to four", async () => {
    const lone = await predict(makeUki("252.39", { ".initrd": "seven b", ".osrel": "ID=x" }));
    expect(eventsOf(lone, 9)).toEqual([["Linux initrd", sha256("seven b")]]);
    const [parts, addition] = [
      await predict(makeUki("257.13", { ".initrd": "seven b", ".osrel": "ID=x" })),
      newc(["040555 .extra", "100444 .extra/os-release ID=x"]),
    ];
    expect(eventsOf(parts, 9)).toEqual([["Linux initrd", sha256(Buffer.concat([Buffer.from("seven b\0"), addition]))]]);
    const ucode = await predict(makeUki("257.13", { ".initrd": "seven b", ".ucode": "12345" }));
    expect(eventsOf(ucode, 9)).toEqual([["Linux initrd", sha256("12345\0\0\0seven b\0")]]);
  });

  it("passes the command line on trimmed, in UTF-16 with a NUL", async () => {
    const prediction = await predict(makeUki("257.13", { ".cmdline": " console=ttyS0\tquiet \n" }));
    const expected = sha256(Buffer.from("console=ttyS0 quiet\0", "utf16le"));
    expect(eventsOf(prediction, 9)).toEqual([["LOADED_IMAGE::LoadOptions", expected]]);
  });

  it.each<[string, string, Partial<Record<SectionName, string>>, string[], RegExp]>([
    ["the boot secret of stub 261", "261", {}, ["pcr9"], /random at each boot/],
    ["a stub that is too new", "263", {}, ["pcr4", "pcr9", "pcr11", "pcr12", "pcr13"], /252 to 262 are/],
    ["a stub that is too old", "251", {}, ["pcr4", "pcr9", "pcr11", "pcr12", "pcr13"], /is not known/],
    ["a command line that is not ASCII", "257", { ".cmdline": "x=ä" }, ["pcr9"], /not ASCII/],
    ["firmware chosen by hardware", "258", { ".efifw": "fw" }, ["pcr11"], /hardware ids/],
  ])("leaves open what cannot be told: %s", async (_, version, sections, open, reason) => {
    const { unpredicted, registers, events } = await predict(makeUki(version, sections));
    const found = unpredicted.filter(({ register }) => open.includes(register));
    expect(found.map(({ register }) => register)).toEqual(open);
    for (const { reason: text } of found) expect(text).toMatch(reason);
    const values = Object.keys(registers.pcr.sha256 ?? {}).map((pcr) => `pcr${pcr}`);
    const closed = ["pcr4", "pcr8", "pcr9", "pcr11", "pcr12", "pcr13", "pcr14"];
    expect(values).toEqual(closed.filter((name) => !open.includes(name)));
    expect(events.filter(({ register }) => open.includes(register))).toEqual([]);
  });

  it("names every register of 0 to 23 once, as predicted or not", async () => {
    const { unpredicted, registers } = await predict(makeUki("257.13", {}));
    const names = [...Object.keys(registers.pcr.sha256 ?? {}), ...unpredicted.map(({ register }) => register.slice(3))];
    expect(names.map(Number).sort((a, b) => a - b)).toEqual(Array.from({ length: 24 }, (_, index) => index));
  });

  it("predicts PCR 7 where the Secure Boot variables are known and it is off, and nothing else changes", async () => {
    const uki = bytesSource(makeUki("257.13", all));
    const options = { banks: ["sha256"], phases: [] } as const;
    const without = await predictUkiOnEsp(uki, { ...options, secureBoot: false });
    const withVariables = await predictUkiOnEsp(uki, {
      ...options,
      secureBoot: { variables: { SecureBoot: Buffer.alloc(0) } },
    });
    // As in every boot of firmware without Secure Boot.
    const known = "b5710bf57d25623e4019027da116821fa99f5c81e9e38b87671cc574f9281439";
    expect(withVariables.registers.pcr.sha256).toEqual({ ...without.registers.pcr.sha256, 7: known });
    expect(withVariables.events.filter(({ register }) => register !== "pcr7")).toEqual(without.events);
    expect(withVariables.unpredicted).toEqual(without.unpredicted.filter(({ register }) => register !== "pcr7"));
    expect(without.unpredicted.find(({ register }) => register === "pcr7")?.reason).toContain("variables");
  });

  it("starts with Secure Boot on what db lists, without add-ons that it does not and the kernel by itself", async () => {
    const uki = bytesSource(makeUki("257.13", { ".cmdline": "console=ttyS0" }));
    const addon = (name: string, cmdline: string) => ({
      path: `/loader/addons/${name}.addon.efi`,
      content: bytesSource(makeStub("257.13", { sections: [{ name: ".cmdline", content: cmdline }] })),
    });
    const companions = [addon("a", "listed=1"), addon("b", "unlisted=1")];
    const digests = [uki, companions[0]?.content ?? uki].map((source) =>
      Buffer.from(authenticodeDigests(source, ["sha256"]).sha256, "hex"),
    );
    const db = encodeSignatureLists([digestList({ owner: "00000000-0000-0000-0000-000000000001", sha256: digests })]);
    const boot = (variables: SecureBootVariables) =>
      predictUkiOnEsp(uki, { banks: ["sha256"], phases: [], companions, secureBoot: { variables } });
    const on = await boot({ SecureBoot: Buffer.from([1]), db });
    expect(eventsOf(on, 7).map(([label]) => label)).toEqual("SecureBoot PK KEK db dbx separator db db".split(" "));
    expect(eventsOf(on, 4).map(([label]) => label)).toEqual([
      "Calling EFI Application from Boot Option",
      "separator",
      "/EFI/BOOT/BOOTX64.EFI",
      "/loader/addons/a.addon.efi",
    ]);
    expect(eventsOf(on, 12)).toEqual([["listed=1", sha256(Buffer.from("listed=1\0", "utf16le"))]]);
    expect(eventsOf(on, 9)[0]?.[1]).toBe(sha256(Buffer.from("console=ttyS0 listed=1\0", "utf16le")));
    expect(on.refused).toEqual([{ path: "/loader/addons/b.addon.efi", reason: "one without a signature" }]);

    const off = await boot({ SecureBoot: Buffer.from([0]), db });
    expect(
      eventsOf(off, 4)
        .map(([label]) => label)
        .slice(3),
    ).toEqual(["/loader/addons/a.addon.efi", "/loader/addons/b.addon.efi", ".linux"]);
    expect(off.refused).toEqual([]);
    await expect(boot({ SecureBoot: Buffer.from([1]) })).rejects.toMatchObject({
      code: "secure-boot",
      message: expect.stringContaining(
        'a boot of "/EFI/BOOT/BOOTX64.EFI": expected an image that the firmware',
      ) as string,
    });
  });

  it("has every event know where its bytes came from", async () => {
    const sources = { ".linux": { package: "linux-image-test" }, ".cmdline": { setting: "KernelCommandLine" } };
    const options = { banks: ["sha256"], phases: ["ready"], secureBoot: false, sources } as const;
    const { events } = await predictUkiOnEsp(bytesSource(makeUki("257.13", all)), options);
    for (const { source } of events) expect(Object.keys(source).length).toBeGreaterThan(0);
    expect(events.filter(({ label }) => label === ".linux").map(({ register, source }) => [register, source])).toEqual([
      ["pcr11", { section: ".linux", package: "linux-image-test" }],
      ["pcr4", { section: ".linux", package: "linux-image-test" }],
    ]);
  });

  it("gives the same with threads as without", async () => {
    const big = makeUki("257.13", { ".initrd": Buffer.alloc(9 << 20, 7), ".osrel": "ID=x" });
    const options = { banks: HASH_ALGORITHMS, phases: [...BOOT_PHASES], secureBoot: false } as const;
    const path = join(folder, "image.efi");
    writeFileSync(path, big);
    using file = openFileSource(path);
    const alone = await predictUkiOnEsp(bytesSource(big), options);
    for (const threads of [2, 5]) expect(await predictUkiOnEsp(file, { ...options, threads })).toEqual(alone);
    expect(Object.keys(alone.registers.pcr)).toEqual(expect.arrayContaining([...HASH_ALGORITHMS]));
  });

  it("gives a prediction or a FormatError for a mutated image", async () => {
    const original = makeUki("257.13", all);
    const mutation = fc.tuple(fc.nat(0x600), fc.nat(255));
    await fc.assert(
      fc.asyncProperty(fc.array(mutation, { minLength: 1, maxLength: 6 }), async (mutations) => {
        const bytes = Buffer.from(original);
        for (const [offset, value] of mutations) bytes[offset] = value;
        const outcome = await predict(bytes).catch((error: unknown) => error);
        if (outcome instanceof Error) expect(outcome).toBeInstanceOf(FormatError);
        else expect(outcome).toHaveProperty("registers.pcr.sha256");
      }),
      { seed: 1, numRuns: 300 },
    );
  });

  it.each([
    ["no UKI", () => Buffer.from("x")],
    ["a PE image without a stub", () => kernel],
    ["a stub alone", () => makeStub("257.13")],
  ])("refuses %s", async (_, make) => {
    await expect(predict(make())).rejects.toThrow(FormatError);
  });
});

/** A cpio archive as GNU cpio's documentation describes newc: `mode path content`, one entry each. */
function newc(entries: string[]): Buffer {
  const hex = (value: number) => value.toString(16).padStart(8, "0");
  const encoded = entries.map((entry, index) => {
    const [mode = "", path = "", content = ""] = entry.split(" ");
    const numbers = [index + 1, Number.parseInt(mode, 8), 0, 0, 1, 0, content.length, 0, 0, 0, 0, path.length + 1, 0];
    const head = `070701${numbers.map(hex).join("")}${path}\0`;
    const pad = (text: string) => text.padEnd(Math.ceil(text.length / 4) * 4, "\0");
    return pad(pad(head) + content);
  });
  const zeros = (count: number) => "00000000".repeat(count);
  return Buffer.from(`${encoded.join("")}070701${zeros(4)}00000001${zeros(6)}0000000B00000000TRAILER!!!\0\0\0\0`);
}
