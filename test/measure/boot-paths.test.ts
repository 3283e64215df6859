import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { type ByteSource, bytesSource, HASH_ALGORITHMS, type HashAlgorithm } from "@cvm-build/bytes";
import {
  type Boot,
  type BootPath,
  describeEvent,
  type EventLog,
  type MeasuredEvent,
  predictBoot,
  type Prediction,
  readEventLog,
} from "@cvm-build/measure";
import { describe, expect, it } from "vitest";
import { makeKernel, makePe, makeStub } from "../../packages/uki/src/pe/pe.fixture.ts";

const vectors = join(import.meta.dirname, "../../../shared/vectors/qemu-boots");
const file = (name: string) => bytesSource(readFileSync(join(vectors, "files", name)));
const EV_NO_ACTION = 3;

/** One entry of `runs.json`. */
interface Run {
  name: string;
  qemu: string;
  firmware: { suite: "bookworm" | "trixie" | "sid" };
  secure_boot: boolean;
  mem_mib: number;
  vcpus: number;
  direct?: { kernel: string; append: string | null; initrd: string | null };
  disk?: { gpt: string; esp_files: Record<string, string> };
  pcrs: Record<HashAlgorithm, Record<number, string>>;
}

const RELEASES = { bookworm: "2022.11", trixie: "2025.02", sid: "2026.08" } as const;
const GRUB_SBAT =
  "sbat,1,SBAT Version,sbat,1,https://github.com/rhboot/shim/blob/main/SBAT.md\n" +
  "grub,5,Free Software Foundation,grub,2.12,https://www.gnu.org/software/grub/\n" +
  "grub.debian,5,Debian,grub2,2.12-9,https://tracker.debian.org/pkg/grub2\n";
/** Stands for what the vectors hold no bytes of. */
const STAND_IN = bytesSource(Buffer.from("initrd"));

const runs = existsSync(vectors)
  ? (JSON.parse(readFileSync(join(vectors, "runs.json"), "utf8")) as Run[]).filter((run) => !run.secure_boot)
  : [];

function logOf({ name }: Run): EventLog {
  return readEventLog(gunzipSync(readFileSync(join(vectors, "runs", `${name}.log.gz`))));
}

/** A UKI with the sections that the real one had; what is not at hand is made up. */
function standInUki(name: string, log: EventLog): ByteSource {
  const version = `${/uki(\d+)/.exec(name)?.[1]}.1`;
  const measured = log.events.filter(({ register }) => register === 11).map(describeEvent);
  const names = [...new Set(measured.filter((text) => text.startsWith(".")))];
  const sections = names
    .filter((section) => section !== ".sbat")
    .map((section) => {
      if (section === ".cmdline") return { name: section, content: file("cmdline.txt").read(0, 29) };
      return { name: section, content: section === ".linux" ? makeKernel("6.12.1-test") : "stand-in" };
    });
  return bytesSource(makeStub(version, { headerBytes: 2048, sections }));
}

function pathOf(run: Run, log: EventLog): BootPath {
  if (run.direct) {
    const { kernel, append, initrd } = run.direct;
    const commandLine = append === null ? {} : { commandLine: append };
    if (kernel.startsWith("uki")) return { kind: "kernel-uki", uki: standInUki(kernel, log), ...commandLine };
    const image = bytesSource(makeBootableKernel());
    return { kind: "kernel-bzimage", kernel: image, ...commandLine, ...(initrd !== null && { initrd: STAND_IN }) };
  }
  const { "/EFI/BOOT/BOOTX64.EFI": loader = "", ...others } = run.disk?.esp_files ?? {};
  const place = (path: string) => ({
    path,
    content: path === "/initrd.cpio" ? STAND_IN : bytesSource(makeKernel("6.12")),
  });
  if (loader.startsWith("grub")) {
    const grub = makePe({ sections: [{ name: ".sbat", content: GRUB_SBAT }] });
    return {
      kind: "grub",
      loader: bytesSource(grub),
      configuration: { path: "/EFI/debian/grub.cfg", content: file("grub.cfg") },
      kernel: place("/vmlinuz-6.12"),
      initrd: place("/initrd.cpio"),
    };
  }
  const companions = Object.entries(others).map(([path, name]) => ({ path, content: file(name) }));
  return { kind: "esp", uki: standInUki(loader, log), companions };
}

/** A kernel that QEMU can write into. */
function makeBootableKernel(): Buffer {
  const kernel = makeKernel("6.12.1-test");
  kernel.writeUInt16LE(0x20f, 0x206);
  kernel.writeUInt8(1, 0x211);
  kernel.writeUInt16LE(2, 0x236);
  return kernel;
}

function bootOf(run: Run, log: EventLog): Boot {
  const release = RELEASES[run.firmware.suite];
  const gpt = run.disk && gunzipSync(readFileSync(join(vectors, "gpt", run.disk.gpt)));
  return {
    path: pathOf(run, log),
    banks: HASH_ALGORITHMS,
    phases: [],
    // Only bookworm's firmware is built with Secure Boot, which is off.
    secureBoot: { variables: { SecureBoot: Buffer.alloc(run.firmware.suite === "bookworm" ? 1 : 0) } },
    firmware: { release },
    machine: {
      memoryBytes: run.mem_mib * 2 ** 20,
      cpus: run.vcpus,
      qemuVersion: run.qemu,
      hasOptionRoms: false,
    },
    ...(gpt && { disk: { gpt } }),
  };
}

const isPredictable = (register: number) => register > 1 && register < 15 && register !== 10;

/** What is the same whatever stands in for kernels: neither they nor initrds, nor what is made of them. */
function comparable(events: readonly Pick<MeasuredEvent, "digests">[], real: EventLog["events"]) {
  const isMadeUp = (event: EventLog["events"][number] | undefined) => {
    if (!event || event.register === 8) return false;
    if (event.typeName === "EV_EFI_BOOT_SERVICES_APPLICATION") return !describeEvent(event).endsWith(".addon.efi");
    return /^Linux initrd|^\/vmlinuz|^\/initrd|^\./.test(describeEvent(event));
  };
  return events.map(({ digests }, index) => (isMadeUp(real[index]) ? "made up" : digests));
}

describe.skipIf(runs.length === 0)("predictBoot against real boots", () => {
  it.each(runs.map((run) => [run.name, run] as const))("%s", async (_, run) => {
    const log = logOf(run);
    const prediction = await predictBoot(bootOf(run, log));
    const real = log.events.filter((event) => event.eventType !== EV_NO_ACTION && isPredictable(event.register));
    const left = new Set(prediction.unpredicted.map(({ register }) => register));
    const known = real.filter(({ register }) => !left.has(`pcr${register}`));
    const order = (list: readonly { register: string | number; type?: string | undefined; typeName?: string }[]) =>
      list.map(({ register, type, typeName }) => `${String(register).replace("pcr", "")} ${type ?? typeName}`);
    expect(order(prediction.events)).toEqual(order(known));
    expect(comparable(prediction.events, known)).toEqual(comparable(known, known));
    for (const bank of HASH_ALGORITHMS) {
      for (const pcr of [2, 3, 5, 6, 7, 8, 12, 13, 14]) {
        expect(valuesOf(prediction, bank, pcr), `${bank} ${pcr}`).toContain(run.pcrs[bank][pcr]);
      }
    }
    expect([...left].filter((register) => isPredictable(Number(register.slice(3))))).toEqual(
      run.name === "esp-262min-sid-q111" ? ["pcr9"] : [],
    );
  });

  it("knows which boots have two values of a register", async () => {
    const two = await Promise.all(
      runs.map(async (run) => [run.name, (await predictBoot(bootOf(run, logOf(run)))).alternatives] as const),
    );
    const found = two.flatMap(([name, alternatives]) => (alternatives ?? []).map(({ register }) => [name, register]));
    expect(found).toEqual([["esp-262min-sid-q111", "pcr5"]]);
  });
});

function valuesOf({ registers, alternatives = [] }: Prediction, bank: HashAlgorithm, pcr: number) {
  const several = alternatives.find(({ register }) => register === `pcr${pcr}`)?.values.map((value) => value[bank]);
  return several ?? [registers.pcr[bank]?.[pcr]];
}
