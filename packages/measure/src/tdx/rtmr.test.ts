import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { bytesSource } from "@cvm-build/bytes";
import { describe, expect, it } from "vitest";
import { hashStream } from "../digest-stream.ts";
import { Draft } from "../draft.ts";
import type { MeasuredEvent, RegisterName } from "../event.ts";
import { EV_NO_ACTION } from "../eventlog/format.ts";
import { type EventLog, type LoggedEvent, readEventLog } from "../eventlog/reader.ts";
import type { Alternative } from "../prediction.ts";
import { makeTdvf } from "../firmware/tdvf.fixture.ts";
import { addSecureBootVariables, type SecureBootVariables } from "../secure-boot-variables.ts";
import { environmentOfCcel, firmwareBootVariables, type TdEnvironment } from "./environment.ts";
import { predictRtmrs, type TdBoot } from "./rtmr.ts";
import type { TdFirmware } from "./td-firmware.ts";

const vectors = join(import.meta.dirname, "../../../../../shared/vectors");
const read = (path: string) => {
  const bytes = readFileSync(join(vectors, path));
  return path.endsWith(".gz") ? gunzipSync(bytes) : bytes;
};
const GIB = 2 ** 30;
const sha384 = (data: string | Uint8Array) => createHash("sha384").update(data).digest("hex");

/** An event of a TPM: its register, type, label and digest. */
const event = (register: RegisterName, type: string | undefined, label: string, digest: string): MeasuredEvent => ({
  register,
  type,
  label,
  digests: { sha384: digest },
  source: { constant: "test" },
});

/** PCR 7 up to its separator. */
function policyEvents(variables: SecureBootVariables): MeasuredEvent[] {
  const draft = new Draft();
  addSecureBootVariables(draft, variables);
  const nothing = bytesSource(Buffer.alloc(0));
  const digests = draft.streams.map((stream) => hashStream(nothing, { stream, algorithms: ["sha384"] })[0] ?? []);
  return draft.finish({ sha384: digests });
}

const CALLING = "Calling EFI Application from Boot Option";
const calling = event("pcr4", "EV_EFI_ACTION", CALLING, sha384(CALLING));
/** What a TPM gets when firmware hands over. */
const handOver = [
  calling,
  ...[0, 1, 2, 3, 4, 5, 6].map((pcr) => event(`pcr${pcr}`, "EV_SEPARATOR", "separator", sha384(Buffer.alloc(4)))),
];
const exit = ["Exit Boot Services Invocation", "Exit Boot Services Returned with Success"].map((label) =>
  event("pcr5", "EV_EFI_ACTION", label, sha384(label)),
);
const kernel = (digest: string) => event("pcr4", "EV_EFI_BOOT_SERVICES_APPLICATION", "kernel", digest);
const loadOptions = (digest: string) => event("pcr9", "EV_EVENT_TAG", "LOADED_IMAGE::LoadOptions", digest);
const initrd = (digest: string) => event("pcr9", "EV_EVENT_TAG", "Linux initrd", digest);

/** What a boot with nothing unknown is predicted to be. */
const predict = (events: MeasuredEvent[], td: TdBoot) => predictRtmrs({ events, unpredicted: [] }, td);

/** Events of an RTMR as type and digest. */
const listed = (events: readonly MeasuredEvent[], index: number) =>
  events.filter(({ register }) => register === `rtmr${index}`).map(({ type, digests }) => [type, digests.sha384]);
const logged = (log: EventLog, index: number) =>
  log.events
    .filter(({ register, eventType }) => register === index + 1 && eventType !== EV_NO_ACTION)
    .map(({ typeName, digests }) => [typeName, digests.sha384]);
const digestOf = (log: EventLog, matches: (real: LoggedEvent) => boolean) =>
  log.events.find(matches)?.digests.sha384 ?? "";

describe.skipIf(!existsSync(vectors))("predictRtmrs on quotes and logs of real TDs", () => {
  const trixie = () => read("firmware/trixie-ovmf-2025.02-OVMF.fd.gz");
  /** Code that asks for memory as that of Debian 12 does, with variables as those of Debian 13. */
  const mixed = () => {
    const file = trixie();
    const descriptor = file.indexOf("TDVF");
    const tempMem = descriptor + 16 + 2 * 32;
    file.writeBigUInt64LE(0x81_0000n, tempMem + 8);
    file.writeBigUInt64LE(0x1_0000n, tempMem + 16);
    return file;
  };
  const none = { SecureBoot: Buffer.alloc(0) };
  const off = { SecureBoot: Buffer.of(0) };
  const isApplication = ({ typeName }: LoggedEvent) => typeName === "EV_EFI_BOOT_SERVICES_APPLICATION";
  const expectedOf = (origin: string, name: string) =>
    (
      JSON.parse(read(`eventlogs/${origin}/expected.json`).toString()) as Record<
        string,
        { rtmr: Record<string, string> }
      >
    )[name]?.rtmr;

  it("dstack's CCEL: a kernel by -kernel, 1 GiB, from the firmware's file, the rules, and the host's ACPI tables", () => {
    const log = readEventLog(read("eventlogs/dstack/ccel.bin"));
    const { acpi = [] } = environmentOfCcel(log);
    const { events, rtmr, unpredicted } = predict(
      [...policyEvents(none), kernel(digestOf(log, isApplication)), ...handOver, loadOptions("00"), ...exit],
      {
        firmware: { file: trixie(), release: "2025.02-8+deb13u1", build: "OvmfPkgX64" },
        machine: { vmm: "qemu", memoryBytes: GIB },
        software: { linux: "6.8" },
        environment: { acpi, bootVariables: "firmware-only" },
      },
    );
    expect(listed(events, 0)).toEqual(logged(log, 0));
    expect(listed(events, 1)).toEqual(logged(log, 1));
    expect(unpredicted).toEqual([]);
    expect(rtmr).toEqual({ ...expectedOf("dstack", "ccel.bin"), 2: "00".repeat(48), 3: "00".repeat(48) });
  });

  it("a CCEL of 8 GiB: the line between firmware and loader in RTMR 0, Linux 6.9", () => {
    const log = readEventLog(read("eventlogs/go-eventlog/ccel/CCEL_unpadded.data.bin"));
    const { acpi = [] } = environmentOfCcel(log);
    const tag = digestOf(log, ({ typeName }) => typeName === "EV_EVENT_TAG");
    const { events, rtmr } = predict(
      [...policyEvents(off), kernel(digestOf(log, isApplication)), ...handOver, loadOptions(tag), ...exit],
      {
        firmware: { file: mixed(), release: "2024.05", build: "IntelTdxX64" },
        machine: { vmm: "qemu", memoryBytes: 8 * GIB },
        software: { linux: "6.9" },
        environment: { acpi, bootVariables: "firmware-only" },
      },
    );
    for (const index of [0, 1, 2]) expect(listed(events, index)).toEqual(logged(log, index));
    expect(rtmr).toEqual({ ...expectedOf("go-eventlog", "ccel/CCEL_unpadded.data.bin"), 3: "00".repeat(48) });
  });

  it("dstack's quote: 64 GiB, all RTMRs but that of userspace", () => {
    const report = JSON.parse(read("eventlogs/dstack/quote-report.json").toString()) as { event_log: string };
    const log = JSON.parse(report.event_log) as { imr: number; event_type: number; digest: string }[];
    const digests = (imr: number, type: number) =>
      log.filter((real) => real.imr === imr && real.event_type === type).map(({ digest }) => digest);
    const [image = ""] = digests(1, 0x8000_0003);
    const [options = "", ramdisk = ""] = digests(2, 6);
    const acpi = digests(0, 10).map((digest) => ({ sha384: digest }));
    const expected = JSON.parse(read("eventlogs/dstack/expected.json").toString()) as {
      "quote-report.json": { quote: { rtmr: string[] } };
    };
    expect(acpi).toHaveLength(3);
    const { rtmr, unpredicted } = predict(
      [...policyEvents(none), kernel(image), ...handOver, loadOptions(options), initrd(ramdisk), ...exit],
      {
        firmware: { file: mixed(), release: "2024.11", build: "OvmfPkgX64" },
        machine: { vmm: "qemu", memoryBytes: 64 * GIB },
        software: { linux: "6.17.0-rc1" },
        environment: { acpi, bootVariables: "firmware-only" },
      },
    );
    expect(unpredicted).toEqual([]);
    expect([0, 1, 2].map((index) => rtmr[index])).toEqual(expected["quote-report.json"].quote.rtmr.slice(0, 3));
  });

  it.each([
    ["cos-113-intel-tdx-dupe-separator.bin.gz", "2024.08"],
    ["cos-113-intel-tdx.bin.gz", "2024.11"],
  ])("%s: shim and GRUB on GCE, with firmware of edk2-stable%s", (name, release) => {
    const log = readEventLog(read(`eventlogs/go-eventlog/ccel/${name}`));
    const environment = environmentOfCcel(log);
    const boot = log.events.filter(({ eventType, typeName }) => eventType !== EV_NO_ACTION && !isOfHost(typeName));
    const td: TdBoot = {
      firmware: { file: trixie(), release, build: "OvmfPkgX64", measuresCc: true },
      machine: { vmm: "gce", memoryBytes: 16 * GIB, earlyAccept: "all" },
      software: { shim: "15.8", grub: "2.12", linux: "6.1" },
      environment,
      hasTpm: true,
    };
    const { events, rtmr } = predict(tpmEventsOf(boot), td);
    // Google's firmware is not at hand: its hand-off and variables are those of another.
    expect(listed(events, 0).slice(2)).toEqual(logged(log, 0).slice(2));
    for (const index of [1, 2]) expect(listed(events, index)).toEqual(logged(log, index));
    const expected = expectedOf("go-eventlog", `ccel/${name}`);
    expect([rtmr[1], rtmr[2]]).toEqual([expected?.[1], expected?.[2]]);
  });

  const isOfHost = (type: string) =>
    [
      "EV_EFI_HANDOFF_TABLES2",
      "EV_EFI_PLATFORM_FIRMWARE_BLOB2",
      "EV_PLATFORM_CONFIG_FLAGS",
      "EV_EFI_VARIABLE_BOOT",
    ].includes(type);

  /** What a TPM would have logged of a boot, event by event, where a CCEL is at hand. */
  function tpmEventsOf(events: readonly LoggedEvent[]): MeasuredEvent[] {
    const pcrOfEvent = ({ register, typeName, data }: LoggedEvent): RegisterName => {
      const text = data.toString("latin1");
      if (register === 1) return "pcr7";
      if (register === 3)
        return text.startsWith("Mok") ? "pcr14" : /^(grub_cmd|kernel_cmdline)/.test(text) ? "pcr8" : "pcr9";
      return typeName === "EV_EFI_GPT_EVENT" || text.startsWith("Exit") ? "pcr5" : "pcr4";
    };
    const seen = new Set<string>();
    return events.flatMap((real) => {
      const { typeName, digests, data, register } = real;
      const isPolicy = typeName === "EV_SEPARATOR" && register === 1 && !seen.has("line");
      if (isPolicy) seen.add("line");
      else if (typeName === "EV_SEPARATOR") return [];
      const text = data.toString("latin1");
      if (text === CALLING) return handOver;
      return [event(pcrOfEvent(real), typeName, labelOf(text), digests.sha384 ?? "")];
    });
  }

  const labelOf = (text: string) => (text.startsWith("P\u0093]`") ? "SbatLevel" : text.slice(0, 40));
});

describe("predictRtmrs", () => {
  const TD_HOB = { memoryAddress: 0x80_9000, memoryDataSizeBytes: 0x2000, type: 2 };
  const CFV = { rawDataSizeBytes: 0x1000, memoryAddress: 0xffff_0000, memoryDataSizeBytes: 0x1000, type: 1 };
  const firmware = (release: string, more: Partial<TdFirmware> = {}): TdFirmware => ({
    file: makeTdvf([CFV, TD_HOB]),
    release,
    build: "IntelTdxX64",
    ...more,
  });
  const machine = { vmm: "qemu", memoryBytes: GIB } as const;
  const environment: TdEnvironment = {
    acpi: [Buffer.from("loader"), Buffer.from("rsdp")],
    smbios: Buffer.from("smbios"),
    fwCfg: { BootMenu: Buffer.of(0, 0), bootorder: Buffer.from("/rom@genroms/linuxboot_dma.bin\0") },
    bootVariables: "firmware-only",
    smbiosOfStub: [Buffer.from("type 1")],
  };
  const section = event("pcr11", "EV_IPL", ".linux", sha384(".linux"));
  const profile = event("pcr12", "EV_EVENT_TAG", "profile 1", sha384("1"));
  const phase = event("pcr11", undefined, "enter-initrd", sha384("enter-initrd"));
  const authority = event("pcr7", "EV_EFI_VARIABLE_AUTHORITY", "db", sha384("db"));
  const image = event("pcr4", "EV_EFI_BOOT_SERVICES_APPLICATION", "uki", sha384("uki"));
  const disk = event("pcr5", "EV_EFI_GPT_EVENT", "partition table", sha384("gpt"));
  const boot = [
    ...policyEvents({ SecureBoot: Buffer.of(1), dbr: Buffer.of(1), dbt: Buffer.of(2) }),
    ...handOver,
    authority,
    disk,
    image,
    profile,
    section,
    loadOptions(sha384("quiet")),
    ...exit,
    phase,
  ];
  const labels = (events: readonly MeasuredEvent[], index: number) =>
    events.filter(({ register }) => register === `rtmr${index}`).map(({ label }) => label);
  const labelsOf = (td: Partial<TdBoot>, index: number) => {
    const software = { systemdStub: "257", linux: "6.12" };
    return labels(
      predict(boot, { firmware: firmware("2025.02"), machine, software, environment, ...td }).events,
      index,
    );
  };
  const policy = ["SecureBoot", "PK", "KEK", "db", "dbx", "dbt", "separator"];

  it("follows EDK2's releases in RTMR 0 and 1", () => {
    const early = ["TD HOB", "CFV"];
    const acpi = ["ACPI DATA", "ACPI DATA"];
    const own = ["BootOrder", "Boot0000"];
    const rest = [CALLING, "separator", "partition table", "uki", exit[0]?.label, exit[1]?.label];
    const both = (release: string, more?: Partial<TdFirmware>) =>
      [0, 1].map((index) => labelsOf({ firmware: firmware(release, more) }, index));
    expect(both("2022.05")).toEqual([[], []]);
    expect(both("2022.11")).toEqual([
      [...early, ...policy, "db"],
      [...own, ...rest],
    ]);
    const misplaced = rest.filter((label) => label !== "separator");
    expect(both("2024.08")).toEqual([[...early, ...policy, ...acpi, ...own, "separator", "db"], misplaced]);
    expect(both("2025.02")).toEqual([[...early, ...policy, ...acpi, ...own, "db"], rest]);
    const newest = ["SMBIOS", ...own, "Boot0001", "db"];
    expect(both("2025.05")).toEqual([[...early, "BootMenu", "bootorder", ...policy, ...acpi, ...newest], rest]);
    expect(both("2025.05", { build: "OvmfPkgX64" })).toEqual([[...early, ...policy, ...acpi, ...newest], rest]);
    expect(both("2024.05", { build: "OvmfPkgX64" })).toEqual([early, []]);
    expect(both("2024.08", { build: "OvmfPkgX64", measuresCc: false })).toEqual([early, []]);
    expect(both("2022.11", { build: "OvmfPkgX64", measuresCc: true })).toEqual([[], []]);
  });

  it("follows versions of what measures in RTMR 2", () => {
    const rtmr2 = (software: TdBoot["software"], hasTpm = false) => labelsOf({ software, hasTpm }, 2);
    expect(rtmr2({ systemdStub: "257.13", linux: "6.12" })).toEqual([".linux", "LOADED_IMAGE::LoadOptions"]);
    expect(rtmr2({ systemdStub: "254.26", linux: "6.12" })).toEqual(["LOADED_IMAGE::LoadOptions"]);
    expect(rtmr2({ systemdStub: "257.13", linux: "6.8.9" })).toEqual([".linux"]);
    expect(rtmr2({ systemdStub: "262.1", linux: "6.12" })).toEqual([
      "profile 1",
      ".linux",
      "LOADED_IMAGE::LoadOptions",
    ]);
    expect(rtmr2({ systemdStub: "257.13", linux: "6.12" }, true)).toEqual([".linux"]);
  });

  it("has systemd-stub's own measurement of SMBIOS in RTMR 0", () => {
    const rtmr0 = (systemdStub: string) => labelsOf({ software: { systemdStub, linux: "6.12" } }, 0).slice(-2);
    expect(rtmr0("261.2")).toEqual(["Boot0000", "db"]);
    expect(rtmr0("262")).toEqual(["db", "SMBIOS"]);
  });

  it("says what it does not know, by register", () => {
    const open = (td: Partial<TdBoot>) => {
      const given = { firmware: firmware("2025.05"), machine, software: {}, environment: {}, ...td };
      const { rtmr, unpredicted } = predictRtmrs({ events: boot, unpredicted: [] }, given);
      expect(unpredicted.filter(({ register }) => register.slice(4) in rtmr)).toEqual([]);
      return Object.fromEntries(unpredicted.map(({ register, reason }) => [register, reason]));
    };
    expect(open({})).toEqual({
      rtmr0: [
        "items of QEMU's fw_cfg, from the host",
        "ACPI tables, from the host",
        "SMBIOS table, from the host",
        "boot variables, which depend on devices",
        "whether systemd-stub measures into RTMRs depends on its version",
      ].join("; "),
      rtmr2: [
        "whether systemd-stub measures into RTMRs depends on its version",
        "whether Linux measures into RTMRs depends on its version",
      ].join("; "),
    });
    expect(open({ software: { systemdStub: "262", linux: "6.12" }, environment })).toEqual({});
    const { smbiosOfStub: _, ...without } = environment;
    expect(open({ software: { systemdStub: "262", linux: "6.12" }, environment: without })).toEqual({
      rtmr0: "SMBIOS table, of which systemd-stub measures parts, from the host",
    });
    expect(open({ firmware: firmware("2022.11"), software: { systemdStub: "257", linux: "6.12" } })).toEqual({
      rtmr1: "boot variables, which depend on devices",
    });
  });

  it("leaves RTMRs open with the PCRs that they stand for", () => {
    const td = { firmware: firmware("2025.02"), machine, environment };
    const open = (register: string, software: TdBoot["software"]) => {
      const events = boot.filter((known) => known.register !== register);
      return predictRtmrs({ events, unpredicted: [{ register, reason: "why" }] }, { ...td, software }).unpredicted;
    };
    const software = { systemdStub: "257", linux: "6.12" };
    const why = (register: string) => [{ register, reason: "why" }];
    expect(open("pcr7", software)).toEqual(why("rtmr0"));
    expect(open("pcr5", software)).toEqual(why("rtmr1"));
    expect(open("pcr4", software)).toEqual(why("rtmr1"));
    expect(open("pcr9", software)).toEqual(why("rtmr2"));
    expect(open("pcr9", { ...software, linux: "6.1" })).toEqual([]);
    expect(open("pcr12", software)).toEqual(why("rtmr2"));
    expect(open("pcr12", { ...software, systemdStub: "252" })).toEqual([]);
    for (const register of ["pcr0", "pcr1", "pcr10", "pcr15", "pcr23"]) expect(open(register, software)).toEqual([]);
  });

  it("gives both values of RTMR 1 where leaving boot services may fail once", () => {
    const td = { firmware: firmware("2025.02"), machine, environment, software: { systemdStub: "257", linux: "6.12" } };
    const alternatives: Alternative[] = [{ register: "pcr5", values: [], reason: "why" }];
    const certain = predictRtmrs({ events: boot, unpredicted: [] }, td);
    const either = predictRtmrs({ events: boot, unpredicted: [], alternatives }, td);
    expect(either.rtmr).not.toHaveProperty("1");
    const failed = ["Exit Boot Services Invocation", "Exit Boot Services Returned with Failure"];
    const retried = [
      ...listed(certain.events, 1)
        .slice(0, -2)
        .map(([, digest]) => digest ?? ""),
      ...[...failed, ...exit.map(({ label }) => label)].map((label) => sha384(label)),
    ];
    const fold = (digests: string[]) =>
      digests.reduce((value, digest) => sha384(Buffer.from(value + digest, "hex")), "00".repeat(48));
    expect(either.alternatives).toEqual([
      { register: "rtmr1", reason: "why", values: [{ sha384: certain.rtmr[1] }, { sha384: fold(retried) }] },
    ]);
  });

  it("measures what starts before the hand-over before the boot variables", () => {
    const direct = [...policyEvents({ SecureBoot: Buffer.of(1) }), authority, image, ...handOver, ...exit];
    const td = { firmware: firmware("2025.02"), machine, environment, software: {} };
    const { events } = predict(direct, td);
    expect(labels(events, 0).slice(-3)).toEqual(["db", "BootOrder", "Boot0000"]);
    expect(labels(events, 1).slice(0, 2)).toEqual(["uki", CALLING]);
  });
});

describe("firmwareBootVariables", () => {
  // Of real boots under QEMU: PCR 1 of bookworm's, trixie's and sid's OVMF with -kernel.
  it.each([
    ["2022.11", ["1dd6f7b457ad", "23ada07f5261"]],
    ["2025.02-8+deb13u1", ["1dd6f7b457ad", "23ada07f5261"]],
    ["2026.08+ds-2", ["52b9a02de946", "5068e6a9ded2", "dd424f2eeb35"]],
  ])("is what OVMF %s was seen to measure", (release, expected) => {
    const { order, options } = firmwareBootVariables(release);
    const contents = [order, ...options.map(({ data }) => data)];
    expect(contents.map((content) => content instanceof Uint8Array && sha384(content).slice(0, 12))).toEqual(expected);
    expect(options.map(({ name }) => name)).toEqual(expected.slice(1).map((_, index) => `Boot000${index}`));
  });
});
