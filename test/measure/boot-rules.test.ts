import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { bytesSource, FormatError } from "@cvm-build/bytes";
import {
  type Boot,
  type BootPath,
  predictBoot,
  type Prediction,
  readEventLog,
  type ShimStart,
} from "@cvm-build/measure";
import { authenticodeDigests, digestList, encodeSignatureLists } from "@cvm-build/uki";
import { describe, expect, it } from "vitest";
import { makeKernel, makePe, makeStub } from "../../packages/uki/src/pe/pe.fixture.ts";

const logs = join(import.meta.dirname, "../../../shared/vectors/eventlogs");
const CALLING = "Calling EFI Application from Boot Option";
const RETURNING = "Returning from EFI Application from Boot Option";

const sha256 = (data: string | Uint8Array) => createHash("sha256").update(data).digest("hex");
const utf16 = (text: string) => Buffer.from(`${text}\0`, "utf16le");
/** A kernel that QEMU can write into. */
function bootable(release: string): Buffer {
  const image = makeKernel(release);
  image.writeUInt16LE(0x20f, 0x206);
  image.writeUInt8(1, 0x211);
  image.writeUInt16LE(2, 0x236);
  return image;
}

const kernel = bootable("6.12.1-test");

/** A UKI of a stub, with a command line unless told otherwise. */
function uki(version = "257.13", sections: Record<string, string> = { ".cmdline": "console=ttyS0" }) {
  const added = Object.entries({ ".linux": kernel, ...sections }).map(([name, content]) => ({ name, content }));
  return bytesSource(makeStub(version, { headerBytes: 2048, sections: added }));
}

const EVERYTHING = {
  firmware: { release: "2022.11", hasRandom: false },
  machine: { memoryBytes: 2 ** 30, cpus: 1, qemuVersion: "7.2.22", hasOptionRoms: false },
  disk: { gpt: "none", isReadOnly: true },
  secureBoot: { variables: { SecureBoot: Buffer.from([0]) } },
} as const satisfies Partial<Boot>;

const predict = (path: BootPath, more: Partial<Boot> = {}) =>
  predictBoot({ banks: ["sha256"], phases: [], ...EVERYTHING, ...more, path });

const eventsOf = ({ events }: Prediction, pcr: number) => events.filter(({ register }) => register === `pcr${pcr}`);
const labels = (prediction: Prediction, pcr: number) => eventsOf(prediction, pcr).map(({ label }) => label);
const digests = (prediction: Prediction, pcr: number) => eventsOf(prediction, pcr).map((event) => event.digests.sha256);
const reason = ({ unpredicted }: Prediction, pcr: number) =>
  unpredicted.find(({ register }) => register === `pcr${pcr}`)?.reason;
/** Extends by hand, so that the test does not lean on what it tests. */
const fold = (list: readonly (string | undefined)[]) =>
  list.reduce<string>((value, digest) => sha256(Buffer.from(value + digest, "hex")), "00".repeat(32));

const loader = (version = "257.13") =>
  bytesSource(makePe({ sections: [{ name: ".sdmagic", content: `#### LoaderInfo: systemd-boot ${version} ####\0` }] }));
const GRUB_SBAT = "sbat,1,SBAT Version,sbat,1,x\ngrub,5,Free Software Foundation,grub,2.12,x\ngrub.debian,5,Debian,x\n";
const grub = (sbat = GRUB_SBAT): BootPath => ({
  kind: "grub",
  loader: bytesSource(makePe({ sections: [{ name: ".sbat", content: sbat }] })),
  configuration: { path: "/g.cfg", content: bytesSource(Buffer.from("menuentry a {\n linux /k a=1\n initrd /i\n}\n")) },
  kernel: { path: "/k", content: bytesSource(kernel) },
  initrd: { path: "/i", content: bytesSource(Buffer.from("initrd")) },
});
const bzImage = (commandLine?: string, initrd?: string): BootPath => ({
  kind: "kernel-bzimage",
  kernel: bytesSource(kernel),
  ...(commandLine !== undefined && { commandLine }),
  ...(initrd !== undefined && { initrd: bytesSource(Buffer.from(initrd)) }),
});

describe("predictBoot", () => {
  it.each<[string, BootPath, string[]]>([
    ["an ESP", { kind: "esp", uki: uki() }, [CALLING, "separator", "/EFI/BOOT/BOOTX64.EFI", ".linux"]],
    [
      "systemd-boot",
      { kind: "systemd-boot", loader: loader(), uki: uki(), ukiPath: "/EFI/Linux/a.efi" },
      [CALLING, "separator", "/EFI/BOOT/BOOTX64.EFI", "/EFI/Linux/a.efi", ".linux"],
    ],
    ["-kernel and a UKI", { kind: "kernel-uki", uki: uki() }, ["kernel", CALLING, "separator", ".linux"]],
    ["-kernel and a kernel", bzImage(), ["kernel", CALLING, "separator"]],
    ["GRUB", grub(), [CALLING, "separator", "/EFI/BOOT/BOOTX64.EFI"]],
  ])("starts from %s in the order of its images", async (_, path, expected) => {
    expect(labels(await predict(path), 4)).toEqual(expected);
  });

  it("measures what is tried in vain before", async () => {
    const prediction = await predict({ kind: "esp", uki: uki("258") }, { failedBootOptions: 2 });
    const again = [RETURNING, CALLING];
    expect(labels(prediction, 4)).toEqual([CALLING, "separator", ...again, ...again, "/EFI/BOOT/BOOTX64.EFI"]);
    expect(digests(prediction, 4)[2]).toBe(sha256(RETURNING));
  });

  it.each<[string | undefined, string | undefined, string, string[]]>([
    ["a=1", "initrd", "2022.11", ["a=1 initrd=initrd", "initrd"]],
    ["a=1", "initrd", "2025.02", ["a=1 initrd=initrd", "initrd"]],
    ["a=1", "initrd", "2025.08", ["initrd=initrd a=1", "initrd"]],
    ["a=1", "initrd", "2026.08+ds-2", ["initrd=initrd a=1", "initrd"]],
    ["a=1", undefined, "2022.11", ["a=1"]],
    ["a=1", undefined, "2026.08", ["a=1"]],
    [undefined, "initrd", "2022.11", [" initrd=initrd", "initrd"]],
    [undefined, "initrd", "2026.08", ["initrd=initrd ", "initrd"]],
    [undefined, undefined, "2026.08", []],
    ["", undefined, "2022.11", []],
  ])("tells a kernel of %j and %j with OVMF %s", async (commandLine, initrd, release, expected) => {
    const prediction = await predict(bzImage(commandLine, initrd), { firmware: { release } });
    const measured = expected.map((text) => sha256(text === "initrd" ? text : utf16(text)));
    expect(digests(prediction, 9)).toEqual(measured);
    expect(prediction.registers.pcr.sha256?.[9]).toBe(fold(measured));
  });

  it("passes options of a boot entry on, measured by systemd-boot and by the stub", async () => {
    const profiles = { ".cmdline": "console=ttyS0", ".profile": "ID=a" };
    const image = uki("257.13", profiles);
    const companions = [{ path: "/loader/loader.conf", content: bytesSource(Buffer.from("timeout 0\n")) }];
    const start = { kind: "systemd-boot", uki: image, ukiPath: "/EFI/Linux/a.efi", companions } as const;
    const prediction = await predict({ ...start, loader: loader(), commandLine: "@0 a=1" });
    expect(digests(prediction, 12)).toEqual([sha256(utf16("@0 a=1")), sha256(utf16("a=1"))]);
    expect(digests(prediction, 5)[1]).toBe(sha256("timeout 0\n"));
    const old = await predict({ ...start, loader: loader("254.1") });
    expect([labels(old, 5), labels(old, 12)]).toEqual([["separator", ...EXIT], []]);
    const unknown = await predict({ ...start, loader: loader("270") });
    expect(reason(unknown, 5)).toMatch(/252 to 262 are/);
    await expect(predict({ ...start, loader: image })).rejects.toThrow(/systemd-boot to name itself, got systemd-stub/);
  });

  it("has the stub take a profile, and refuses one that there is not", async () => {
    const image = uki("257.13", { ".cmdline": "console=ttyS0" });
    const start = { kind: "kernel-uki", uki: image } as const;
    await expect(predict({ ...start, commandLine: "@1" })).rejects.toThrow(FormatError);
    const prediction = await predict({ ...start, commandLine: "@0 console=tty1" });
    expect(digests(prediction, 12)).toEqual([sha256(utf16("console=tty1"))]);
    expect(digests(prediction, 9)[0]).toBe(sha256(utf16("console=tty1")));
  });

  it("appends strings of SMBIOS, but not in a confidential machine or to an old stub", async () => {
    const smbiosStrings = ["x", "io.systemd.stub.kernel-cmdline-extra= a=1 ", "io.systemd.stub.kernel-cmdline-extra=b"];
    const machine = { ...EVERYTHING.machine, smbiosStrings };
    const plain = await predict({ kind: "esp", uki: uki() }, { machine });
    expect(digests(plain, 12)).toEqual([sha256(utf16("a=1"))]);
    expect(digests(plain, 9)[0]).toBe(sha256(utf16("console=ttyS0 a=1")));
    const confidential = await predict({ kind: "esp", uki: uki() }, { machine: { ...machine, guest: "tdx" } });
    expect(labels(confidential, 12)).toEqual([]);
    expect(labels(await predict({ kind: "esp", uki: uki("252.39") }, { machine }), 12)).toEqual([]);
  });

  it.each<[string, BootPath, Partial<Boot>, number[], RegExp]>([
    ["no firmware", { kind: "kernel-uki", uki: uki() }, without("firmware"), [5, 6], /firmware build/],
    ["no partition table", { kind: "esp", uki: uki() }, { disk: {} }, [5], /partition table/],
    ["no devices", { kind: "esp", uki: uki() }, { machine: {} }, [2, 3], /option ROMs/],
    ["no variables", { kind: "esp", uki: uki() }, { secureBoot: false }, [7], /Secure Boot variables/],
    ["no QEMU", bzImage("a"), { machine: { hasOptionRoms: false } }, [4], /depends on its version/],
    ["an old QEMU", bzImage("a"), machineWith({ qemuVersion: "6.2" }), [4], /before 7\.2/],
    [
      "an old QEMU and a UKI",
      { kind: "kernel-uki", uki: uki() },
      machineWith({ qemuVersion: "6.2" }),
      [4],
      /before 7\.2/,
    ],
    ["no memory", bzImage("a"), machineWith({ memoryBytes: undefined } as object), [4], /memory size/],
    ["no release for an initrd", bzImage("a", "i"), { firmware: {} }, [4, 9], /version/],
    ["another GRUB", grub("sbat,1\ngrub,3,x,grub,2.06,x\n"), {}, [4, 8, 9], /GRUB 2\.12 of Debian/],
    [
      "a secret on a disk",
      { kind: "esp", uki: uki("262") },
      { disk: { gpt: "none" }, firmware: { release: "2025.02" } },
      [9],
      /random at each boot/,
    ],
    [
      "no console",
      { kind: "kernel-uki", uki: uki("262", { ".cmdline": "xconsole=1" }) },
      {},
      [9],
      /consoles that it finds/,
    ],
    [
      "an old kernel",
      { ...bzImage("a"), kernel: bytesSource(bootable("5.15.0")) } as BootPath,
      {},
      [9],
      /Linux 5\.15\.0/,
    ],
    ["registers of systemd's", { kind: "esp", uki: uki() }, { userspace: { hasNvPcrs: true } }, [9], /TPM's memory/],
  ])("leaves open what depends on what is not known: %s", async (_, path, more, pcrs, text) => {
    const prediction = await predict(path, more);
    const always = [0, 1, 10, 15];
    const open = prediction.unpredicted.map(({ register }) => Number(register.slice(3))).filter((pcr) => pcr < 16);
    expect(open).toEqual([...always, ...pcrs].sort((a, b) => a - b));
    for (const pcr of pcrs) expect(reason(prediction, pcr)).toMatch(text);
    expect(prediction.events.filter(({ register }) => pcrs.some((pcr) => register === `pcr${pcr}`))).toEqual([]);
    const closed = Object.keys(prediction.registers.pcr.sha256 ?? {}).map(Number);
    expect([...closed, ...open].sort((a, b) => a - b)).toEqual([...Array(16).keys()]);
  });

  it("predicts what stub 262 hands on where it can make no secret", async () => {
    const path = { kind: "esp", uki: uki("262") } as const;
    for (const more of [
      { firmware: { release: "2025.02", hasRandom: false }, disk: { gpt: "none" } },
      { firmware: { release: "2025.02" }, disk: { gpt: "none", isReadOnly: true } },
    ] as const) {
      expect(reason(await predict(path, more), 9)).toBeUndefined();
    }
    const seeded = [{ path: "/loader/random-seed", content: bytesSource(Buffer.alloc(32)) }];
    const withSeed = await predict({ ...path, companions: seeded }, { disk: { gpt: "none" } });
    expect(reason(withSeed, 9)).toMatch(/random/);
  });

  it("has two values of PCR 5 where newer firmware boots from disk", async () => {
    const path = { kind: "esp", uki: uki() } as const;
    const prediction = await predict(path, {
      firmware: { release: "2026.08" },
      userspace: { hasOsSeparator: true },
    });
    const [invocation, success] = EXIT.map(sha256);
    const failure = sha256("Exit Boot Services Returned with Failure");
    const separator = sha256(Buffer.alloc(4));
    const word = sha256("os-separator");
    expect(prediction.registers.pcr.sha256?.[5]).toBeUndefined();
    expect(prediction.alternatives).toEqual([
      {
        register: "pcr5",
        values: [
          { sha256: fold([separator, invocation, success, word]) },
          { sha256: fold([separator, invocation, failure, invocation, success, word]) },
        ],
        reason: expect.stringContaining("leave boot services") as string,
      },
    ]);
    const once = await predict({ kind: "kernel-uki", uki: uki() }, { firmware: { release: "2026.08" } });
    expect(once.alternatives).toBeUndefined();
    expect(once.registers.pcr.sha256?.[5]).toBe(fold([separator, invocation, success]));
  });

  it("draws the line of the operating system where systemd does", async () => {
    const prediction = await predict(
      { kind: "esp", uki: uki() },
      { userspace: { hasOsSeparator: true }, phases: ["enter-initrd"] },
    );
    const divided = prediction.events.filter(({ label }) => label === "os-separator").map(({ register }) => register);
    expect(divided).toEqual([2, 3, 4, 5, 6, 7, 9, 12, 13, 14].map((pcr) => `pcr${pcr}`));
    expect(prediction.registers.pcr.sha256?.[13]).toBe(fold([sha256("os-separator")]));
    expect(Object.keys(prediction.phases.sha256 ?? {})).toEqual(["", "enter-initrd"]);
  });
});

describe("predictBoot with Secure Boot on", () => {
  const db = (...images: { read(offset: number, size: number): Buffer; sizeBytes: number }[]) => {
    const sums = images.map((image) => Buffer.from(authenticodeDigests(image, ["sha256"]).sha256, "hex"));
    return encodeSignatureLists([digestList({ owner: "00000000-0000-0000-0000-000000000001", sha256: sums })]);
  };
  const on = (...images: Parameters<typeof db>) => ({
    secureBoot: { variables: { SecureBoot: Buffer.from([1]), db: db(...images) } },
  });

  it("measures authorities where images start, and once", async () => {
    const image = uki();
    const prediction = await predict(
      { kind: "systemd-boot", loader: loader(), uki: image, ukiPath: "/u.efi" },
      on(loader(), image),
    );
    const order = prediction.events.filter(({ register }) => ["pcr4", "pcr7"].includes(register));
    expect(order.slice(6).map(({ register, label }) => `${register} ${label}`)).toEqual([
      ...[`pcr4 ${CALLING}`, "pcr4 separator", "pcr7 db", "pcr4 /EFI/BOOT/BOOTX64.EFI"],
      ...["pcr7 db", "pcr4 /u.efi"],
    ]);
  });

  it("refuses a passed command line beside the UKI's own, and any in a confidential machine", async () => {
    const [own, none] = [uki(), uki("257.13", {})];
    const start = (image: typeof own, more: Partial<Boot> = {}) =>
      predict({ kind: "kernel-uki", uki: image, commandLine: "a=1" }, { ...on(own, none), ...more });
    expect((await start(own)).refused).toEqual([{ path: 'command line "a=1"', reason: "one beside the UKI's own" }]);
    expect(labels(await start(own), 12)).toEqual([]);
    expect(labels(await start(none), 12)).toEqual(["a=1"]);
    const confidential = await start(none, { machine: { ...EVERYTHING.machine, guest: "sev" } });
    expect(confidential.refused).toMatchObject([{ reason: "one for a confidential machine" }]);
    expect(labels(confidential, 9)).toEqual([]);
  });

  it("leaves open what GRUB does", async () => {
    const path = grub();
    if (path.kind !== "grub") throw new Error("it is GRUB");
    const prediction = await predict(path, on(path.loader));
    for (const pcr of [4, 7, 8, 9]) expect(reason(prediction, pcr)).toMatch(/GRUB does under Secure Boot/);
  });

  it("knows which firmware starts a kernel that is refused, and leaves no trace of it", async () => {
    const start = (release: string) => predict(bzImage("a=1", "initrd"), { ...on(uki()), firmware: { release } });
    for (const release of ["2022.11", "2025.02"]) {
      const prediction = await start(release);
      expect(prediction.unmeasured).toMatchObject([{ path: "kernel" }]);
      expect(labels(prediction, 4)).toEqual([CALLING, "separator"]);
      expect(digests(prediction, 9)).toEqual([sha256("initrd")]);
      expect(labels(prediction, 7)).toHaveLength(6);
    }
    const between = await start("2025.11");
    expect(reason(between, 4)).toMatch(/was not verified/);
    expect(between.unmeasured).toBeUndefined();
    await expect(start("2026.08")).rejects.toMatchObject({ code: "secure-boot" });
  });

  it("judges the kernel that QEMU has written into, not the file", async () => {
    const listed = { ...on(bytesSource(kernel)) };
    const patched = await predict(bzImage("a=1"), { ...listed, firmware: { release: "2025.02" } });
    expect(patched.unmeasured).toHaveLength(1);
    const machine = { ...EVERYTHING.machine, qemuVersion: "10.0.2" };
    const raw = await predict(bzImage("a=1"), { ...listed, machine, firmware: { release: "2025.02" } });
    expect(raw.unmeasured).toBeUndefined();
    expect(labels(raw, 4)[0]).toBe("kernel");
    expect(digests(raw, 4)[0]).toBe(authenticodeDigests(bytesSource(kernel), ["sha256"]).sha256);
  });
});

describe.skipIf(!existsSync(logs))("predictBoot through shim", () => {
  const read = (name: string) => readEventLog(readFileSync(join(logs, "tpm2-tools", name)));
  const shim = (more: Partial<ShimStart["variables"]> = {}): ShimStart => ({
    image: bytesSource(makePe({ sections: [{ name: ".text", content: "UEFI SHIM\n$Version: 15.6 $\n" }] })),
    variables: {
      MokList: Buffer.from("list"),
      MokListX: Buffer.from([0]),
      SbatLevel: Buffer.from("sbat,1,2021030218\n"),
      ...more,
    },
  });

  it.each([
    ["event-gce-ubuntu-2104-log.bin", shim()],
    ["event-moklisttrusted.bin", { ...shim({ MokListTrusted: Buffer.from([1]) }), authority: shimAuthority() }],
  ])("measures its state as in %s", async (name, start) => {
    const { events } = read(name);
    const isOfShim = ({ register }: { register: number }) => register === 7 || register === 14 || register === 4;
    const first = events.findIndex(({ typeName }) => typeName === "EV_EFI_BOOT_SERVICES_APPLICATION");
    const second = events.findIndex(
      ({ typeName }, index) => index > first && typeName === "EV_EFI_BOOT_SERVICES_APPLICATION",
    );
    const real = events.slice(first, second + 1).filter(isOfShim);
    const prediction = await predict({ kind: "esp", uki: uki("258"), ukiPath: "/u.efi", shim: start });
    const own = prediction.events.filter(({ register }) => ["pcr4", "pcr7", "pcr14"].includes(register)).slice(8);
    expect(own.map(({ register, type }) => `${register} ${type}`)).toEqual(
      real.map(({ register, typeName }) => `pcr${register} ${typeName}`),
    );
    const authorities = (list: readonly { type?: string | undefined; typeName?: string; digests: object }[]) =>
      list
        .filter(({ type, typeName }) => (type ?? typeName) === "EV_EFI_VARIABLE_AUTHORITY")
        .map((event) => event.digests);
    expect(authorities(own)).toEqual(
      authorities(real).map((list) => ({ sha256: (list as { sha256: string }).sha256 })),
    );
  });

  /** The data of the event by which shim says what let GRUB start. */
  function shimAuthority(): NonNullable<ShimStart["authority"]> {
    const name = Buffer.from("Shim", "utf16le");
    const event = read("event-moklisttrusted.bin").events.find(
      ({ typeName, data }) => typeName === "EV_EFI_VARIABLE_AUTHORITY" && data.includes(name),
    );
    return { name: "Shim", data: event?.data.subarray(32 + name.length) ?? Buffer.alloc(0) };
  }
});

const EXIT = ["Exit Boot Services Invocation", "Exit Boot Services Returned with Success"];

function machineWith(more: Partial<Boot["machine"]>): Partial<Boot> {
  return { machine: { ...EVERYTHING.machine, ...more } } as Partial<Boot>;
}

/** What is not said of a boot. */
function without(name: keyof Boot): Partial<Boot> {
  return { [name]: undefined } as Partial<Boot>;
}
