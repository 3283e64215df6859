import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { bytesSource, HASH_ALGORITHMS, openFileSource } from "@cvm-build/bytes";
import {
  type Boot,
  type BootPath,
  compareWithLog,
  type EspFile,
  predictBoot,
  predictPcr0,
  readEventLog,
  secureBootVariablesOf,
  withPcr0,
} from "@cvm-build/measure";
import { assembleAddon, assembleUki, readVariableStore, type SectionInput, type SectionName } from "@cvm-build/uki";
import { collectEvidence, type EndCondition, type ImagePath } from "@cvm-build/vm";
import { afterAll, describe, expect, it } from "vitest";
import { debianFiles } from "../support/trixie-root.ts";
import { debianAddonStub, debianKernel, debianStub } from "../support/uki-parts.ts";
import { findHere } from "../vm/here.ts";

const folder = mkdtempSync(join(tmpdir(), "cvm-boot-paths-"));
const temporaryDirectory = join(folder, "scratch");
mkdirSync(temporaryDirectory);
const here = await findHere(temporaryDirectory);
const kernel = here && debianKernel();
const stubs = here && {
  252: debianStub("bookworm"),
  254: backportedStub(),
  257: debianStub("trixie"),
  262: debianStub("sid"),
};
const addonStub = here && debianAddonStub("trixie");
/** Nothing that is measured here comes after the kernel's first line; there is no init to start. */
const KERNEL_SPEAKS: EndCondition = { kind: "serial-contains", text: "Linux version" };
/** Longer than any firmware takes between two measurements, however busy the host is. */
const LONG_QUIET: EndCondition = { kind: "quiet", quietSec: 60 };
const CONSOLE = "console=ttyS0 panic=-1";

afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe.skipIf(!here || !kernel || !addonStub || !stubs || Object.values(stubs).includes(undefined))("boots", () => {
  const initrd = write("initrd", "not a multiple of four");

  it("of a kernel by -kernel, with and without an initrd and a command line", async () => {
    const image = openFileSource(kernel!.path);
    const commandLine = `${CONSOLE} vga=0x317`;
    const source = { kind: "kernel-bzimage", kernel: image } as const;
    const all = { commandLine, initrdPath: initrd };
    await prove(kernel!.path, { ...source, commandLine, initrd: openFileSource(initrd) }, { kernel: all });
    const alone = await prove(kernel!.path, source, { kernel: {}, isSilent: true });
    expect(alone.labels(9)).toEqual([]);
    const silent = { kernel: { initrdPath: initrd }, isSilent: true };
    const unnamed = await prove(kernel!.path, { ...source, initrd: openFileSource(initrd) }, silent);
    expect(unnamed.labels(9)).toEqual(["LOADED_IMAGE::LoadOptions", "Linux initrd"]);
  });

  it("of a UKI by -kernel, with its own command line, and with another and its second profile", async () => {
    const uki = makeUki(257, {}, { profiles: true });
    const source = { kind: "kernel-uki", uki: openFileSource(uki) } as const;
    const own = await prove(uki, source, { kernel: {} });
    expect([own.labels(12), own.labels(4).slice(0, 2)]).toEqual([[], ["kernel", expect.stringContaining("Calling")]]);
    const commandLine = `@1 ${CONSOLE} passed=1`;
    const { labels } = await prove(uki, { ...source, commandLine }, { kernel: { commandLine } });
    expect(labels(12)).toEqual(["profile 1", `${CONSOLE} passed=1`]);
  });

  it.each([254, 262] as const)("of a UKI with stub %i and everything beside it", async (version) => {
    const uki = makeUki(version, { ".pcrsig": "{}", ".pcrpkey": "key" });
    const place = "EFI/BOOT/BOOTX64.EFI.extra.d";
    const files: [string, string][] = [
      [`${place}/b.cred`, "b"],
      [`${place}/a.cred`, "a"],
      [`${place}/e.sysext.raw`, "system"],
      ["loader/credentials/g.cred", "global"],
      [`${place}/l.addon.efi`, makeAddon("l", { ".cmdline": "local=1" })],
      ["loader/addons/z.addon.efi", makeAddon("z", { ".cmdline": "global=2" })],
      ["loader/addons/y.addon.efi", makeAddon("y", { ".cmdline": "global=1" })],
    ];
    const later: [string, string][] = [
      [`${place}/c.confext.raw`, "configuration"],
      ["loader/extensions/s.sysext.raw", "global system"],
      ["loader/extensions/t.confext.raw", "global configuration"],
    ];
    const esp = version < 256 ? files : [...files, ...later];
    const companions = esp.map(([path, content]) => {
      const hostPath = content.startsWith("/") ? content : write(path.replaceAll("/", "-"), content);
      return { espPath: path, hostPath };
    });
    const machine = { smbiosStrings: ["io.systemd.stub.kernel-cmdline-extra=a,b=1"] };
    const espFiles = companions.map(({ espPath, hostPath }): EspFile => {
      return { path: `/${espPath}`, content: bytesSource(readFileSync(hostPath)) };
    });
    const path: BootPath = { kind: "esp", uki: openFileSource(uki), companions: espFiles };
    const { labels } = await prove(uki, path, { espFiles: companions, machine });
    expect(labels(12)).toEqual([
      ...(version < 256 ? ["global=1 global=2", "local=1"] : ["global=1 global=2 local=1"]),
      "a,b=1",
      ...["Credentials initrd", "Global credentials initrd"],
      ...(version < 256 ? [] : ["Configuration extension initrd", "Global configuration extension initrd"]),
    ]);
    expect(labels(9)).toEqual(["LOADED_IMAGE::LoadOptions", "Linux initrd"]);
  });

  interface ProofOptions {
    kernel?: Omit<Extract<ImagePath, { kind: "kernel" }>, "kind">;
    espFiles?: { espPath: string; hostPath: string }[];
    machine?: Partial<Boot["machine"]>;
    /** Whether the kernel has no console to speak on. */
    isSilent?: boolean;
  }

  /** Boots and holds every register that is predicted against the machine's, event by event. */
  async function prove(imagePath: string, path: BootPath, options: ProofOptions) {
    const { kernel: byKernel, espFiles, machine, isSilent = false } = options;
    const { tools, host } = here!;
    const store = readVariableStore(openFileSource(tools.firmware.varsPath ?? ""));
    const prediction = await predictBoot({
      path,
      banks: HASH_ALGORITHMS,
      phases: [],
      secureBoot: { variables: secureBootVariablesOf(store) },
      firmware: { release: "2022.11", hasRandom: false },
      machine: { memoryBytes: 2 ** 30, cpus: 1, qemuVersion: host.qemuVersion, hasOptionRoms: false, ...machine },
      disk: { gpt: "none", isReadOnly: true },
    });
    // What is predicted tells when to look; were it wrong, the boot would end in quiet and be looked at then.
    const { 4: four = "", 5: five = "", 9: nine = "" } = prediction.registers.pcr.sha256 ?? {};
    const values = { 4: four, 5: five, 9: nine };
    const arrived: EndCondition = { kind: "registers-equal", bank: "sha256", values, forSec: 1 };
    const evidence = await collectEvidence({
      ...{ tools, host, imagePath, memoryMiB: 1024, cpus: 1, network: "none", temporaryDirectory },
      ...(byKernel && { path: { kind: "kernel", ...byKernel } }),
      ...(espFiles && { espFiles }),
      ...(machine?.smbiosStrings && { smbiosStrings: machine.smbiosStrings }),
      ...{ until: isSilent ? [arrived, LONG_QUIET] : [KERNEL_SPEAKS], timeoutSec: 200 },
    });
    const pcr0 = await predictPcr0({
      firmware: readFileSync(tools.firmware.codePath),
      machine: { type: "q35", memoryBytes: 2 ** 30, vcpus: 1, ...host },
    });
    const log = readEventLog(evidence.eventLog);
    const { registers } = compareWithLog(withPcr0(prediction, pcr0), { log, registers: evidence.pcrs });
    for (const { register, equal, events, firstDifference, comparedBanks } of registers) {
      const difference = firstDifference === undefined ? undefined : events[firstDifference];
      expect({ register, equal, difference }).toEqual({ register, equal: true, difference: undefined });
      expect(comparedBanks).toEqual(HASH_ALGORITHMS);
    }
    const names = registers.map(({ register }) => register);
    expect(names).toEqual(
      expect.arrayContaining([0, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 14].map((pcr) => `pcr${pcr}`)),
    );
    const labels = (pcr: number) =>
      prediction.events.filter(({ register }) => register === `pcr${pcr}`).map(({ label }) => label);
    return { labels };
  }

  function makeUki(
    version: keyof NonNullable<typeof stubs>,
    more: Partial<Record<SectionName, string>>,
    { profiles = false } = {},
  ): string {
    const output = join(folder, `uki-${version}.efi`);
    const base = {
      ".osrel": "ID=test\n",
      ".cmdline": CONSOLE,
      ".initrd": "seven b",
      ".uname": kernel!.release,
      ...more,
    };
    const profile = (id: string) => ({ sections: [section(".profile", `ID=${id}\n`)] });
    assembleUki({
      stub: openFileSource(stubs?.[version] ?? ""),
      sections: [
        { name: ".linux", content: [openFileSource(kernel!.path)] },
        ...Object.entries(base).map(([name, content]) => section(name as SectionName, content)),
      ],
      ...(profiles && { profiles: [profile("main"), profile("second")] }),
      output,
    });
    return output;
  }

  function makeAddon(name: string, sections: Partial<Record<SectionName, string>>): string {
    const output = join(folder, `${name}.addon.efi`);
    const inputs = Object.entries(sections).map(([key, content]) => section(key as SectionName, content));
    assembleAddon({ stub: openFileSource(addonStub!), sections: inputs, output });
    return output;
  }
});

function section(name: SectionName, content: string): SectionInput {
  return { name, content: [bytesSource(Buffer.from(content))] };
}

function write(name: string, content: string): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

function backportedStub(): string | undefined {
  const root = debianFiles("bookworm-backports", ["systemd-boot-efi"], /^systemd-boot-efi$/);
  return root && join(root, "usr/lib/systemd/boot/efi/linuxx64.efi.stub");
}
