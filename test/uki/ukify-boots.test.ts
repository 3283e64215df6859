import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { bytesSource, openFileSource } from "@cvm-build/bytes";
import { compareWithLog, predictBoot, predictUkiOnEsp, predictUkiPhases, readEventLog } from "@cvm-build/measure";
import { microcodeArchives } from "@cvm-build/uki";
import { collectEvidence } from "@cvm-build/vm";
import { afterAll, describe, expect, it } from "vitest";
import { debianFiles, debianRoot } from "../support/trixie-root.ts";
import { debianAddonStub, debianKernel, debianStub } from "../support/uki-parts.ts";
import { findHere } from "../vm/here.ts";
import { makeInitrd, READY, TELL_REGISTERS } from "../vm/test-image.ts";
import { buildOurselves, buildWithUkify, type Part, type Parts } from "./ukify-peer.ts";

/** What the second initrd puts over the first one's `/init`: that it runs shows that both are unpacked, in order. */
const SECOND_INIT = `${TELL_REGISTERS}
echo "cmdline=$(cat /proc/cmdline)"
echo "microcode=$(sha256sum < /kernel/x86/microcode/GenuineIntel.bin)"
echo "profile=$(cat /.extra/profile)"
echo ${READY}
sleep 600
`;

/** An update of no processor: what the kernel finds, it only unpacks. */
const MICROCODE = (() => {
  const bytes = Buffer.alloc(2048, "microcode");
  bytes.writeUInt32LE(1, 0);
  bytes.writeUInt32LE(1, 20);
  return bytes;
})();

const folder = mkdtempSync(join(tmpdir(), "cvm-ukify-boots-"));
const temporaryDirectory = join(folder, "scratch");
mkdirSync(temporaryDirectory);
const here = await findHere(temporaryDirectory);
const given = here && makeParts();
const ukify = here && debianRoot("trixie", ["systemd-ukify"]);
const loader = here && debianFiles("trixie", ["systemd-boot-efi"], /^systemd-boot-efi$/);

afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe.skipIf(!here || !given || !ukify || !loader)("an image that ukify makes too, byte for byte", () => {
  const image = () => both("uki", given!.uki);
  const request = {
    ...here!,
    memoryMiB: 1024,
    cpus: 1,
    network: "none" as const,
    temporaryDirectory,
    until: [{ kind: "serial-contains" as const, text: READY }],
    timeoutSec: 200,
  };

  it("boots with microcode, two initrds, two profiles and an add-on beside it, as predicted", async () => {
    const [imagePath, addonPath] = [image(), both("addon", given!.addon)];
    const place = "EFI/BOOT/BOOTX64.EFI.extra.d/debug.addon.efi";
    const evidence = await collectEvidence({
      ...request,
      imagePath,
      espFiles: [{ espPath: place, hostPath: addonPath }],
    });
    expect(tellings(evidence.serial)).toEqual({
      cmdline: "console=ttyS0 loglevel=4 rdinit=/init panic=-1 added=1",
      microcode: createHash("sha256").update(MICROCODE).digest("hex"),
      profile: "ID=main",
    });
    using source = openFileSource(imagePath);
    using addon = openFileSource(addonPath);
    const prediction = await predictUkiOnEsp(source, {
      banks: ["sha256", "sha384"],
      phases: [],
      secureBoot: false,
      companions: [{ path: `/${place}`, content: addon }],
    });
    const comparison = compareWithLog(prediction, {
      log: readEventLog(evidence.eventLog),
      registers: evidence.pcrs,
    });
    const differing = comparison.registers.filter(({ equal }) => !equal);
    expect(differing).toEqual([]);
    expect(comparison.registers.map(({ register }) => register)).toEqual(
      expect.arrayContaining(["pcr4", "pcr9", "pcr11", "pcr12", "pcr13"]),
    );
  });

  it("boots its second profile, chosen by systemd-boot, as predicted", async () => {
    const imagePath = image();
    const loaderConfig = join(folder, "loader.conf");
    writeFileSync(loaderConfig, "timeout 0\ndefault test.efi@debug\n");
    const evidence = await collectEvidence({
      ...request,
      imagePath: join(loader!, "usr/lib/systemd/boot/efi/systemd-bootx64.efi"),
      espFiles: [
        { espPath: "EFI/Linux/test.efi", hostPath: imagePath },
        { espPath: "loader/loader.conf", hostPath: loaderConfig },
      ],
    });
    expect(tellings(evidence.serial)).toMatchObject({
      cmdline: "console=ttyS0 loglevel=4 rdinit=/init panic=-1 chosen=1",
      profile: "ID=debug",
    });
    using uki = openFileSource(imagePath);
    using systemdBoot = openFileSource(join(loader!, "usr/lib/systemd/boot/efi/systemd-bootx64.efi"));
    using configuration = openFileSource(loaderConfig);
    const ukiPath = "/EFI/Linux/test.efi";
    const companions = [{ path: "/loader/loader.conf", content: configuration }];
    const prediction = await predictBoot({
      path: { kind: "systemd-boot", loader: systemdBoot, uki, ukiPath, companions, commandLine: "@1" },
      banks: ["sha1", "sha256", "sha384"],
      phases: [],
      secureBoot: false,
      firmware: { release: "2022.11" },
      machine: { hasOptionRoms: false },
      disk: { gpt: "none" },
    });
    const { registers } = compareWithLog(prediction, {
      log: readEventLog(evidence.eventLog),
      registers: evidence.pcrs,
    });
    expect(registers.filter(({ equal }) => !equal)).toEqual([]);
    expect(registers.map(({ register }) => register)).toEqual(
      [2, 3, 4, 5, 6, 8, 9, 11, 12, 13, 14].map((pcr) => `pcr${pcr}`),
    );
    const first = await predictUkiPhases(uki, { banks: ["sha256"], phases: [] });
    expect(evidence.pcrs.sha256?.[11]).not.toBe(first.sha256?.[""]);
  });

  /** Makes an image both ways; one boot then stands for both. */
  function both(name: string, parts: Parts): string {
    const place = join(folder, name);
    mkdirSync(place, { recursive: true });
    const theirs = buildWithUkify(ukify!, place, parts);
    const ours = buildOurselves(place, parts, theirs);
    expect(ours.bytes.equals(theirs)).toBe(true);
    return ours.path;
  }
});

function makeParts(): { uki: Parts; addon: Parts } | undefined {
  const [stub, addonStub, kernel] = [debianStub("trixie"), debianAddonStub("trixie"), debianKernel()];
  const busybox = debianFiles("trixie", ["busybox-static"], /^busybox-static$/);
  if (!stub || !addonStub || !kernel || !busybox) return undefined;
  const part = (name: Part["name"], ...contents: (string | Uint8Array)[]): Part => ({
    name,
    values: contents.map((content, index) => {
      const path = join(folder, `${name}.${index}.${createHash("sha256").update(content).digest("hex").slice(0, 8)}`);
      writeFileSync(path, content);
      return path;
    }),
  });
  const commandLine = "console=ttyS0 loglevel=4 rdinit=/init panic=-1";
  const microcode = microcodeArchives([{ name: "06-8f-08", content: bytesSource(MICROCODE) }]);
  const program = readFileSync(join(busybox, "usr/bin/busybox"));
  const base = { stub, addonStub, policyKey: undefined };
  return {
    uki: {
      ...base,
      kernel,
      parts: [
        part(".osrel", "ID=cvm-build-test\nVERSION_ID=1\nPRETTY_NAME=Test\n"),
        part(".cmdline", commandLine),
        part(".ucode", ...microcode.map((archive) => archive.read(0, archive.sizeBytes))),
        part(
          ".initrd",
          makeInitrd([
            { path: "bin/busybox", content: program },
            { path: "init", content: "#!/bin/busybox sh\necho the first init runs\n" },
          ]),
          // One byte more than a multiple of four, so that the padding between archives matters.
          Buffer.concat([makeInitrd([{ path: "init", content: SECOND_INIT }]), Buffer.alloc(1)]),
        ),
      ],
      profiles: [
        [part(".profile", "ID=main\n")],
        [part(".profile", "ID=debug\nTITLE=Debug\n"), part(".cmdline", `${commandLine} chosen=1`)],
      ],
    },
    addon: { ...base, kernel: undefined, parts: [part(".cmdline", "added=1")], profiles: [] },
  };
}

/** What the guest has said, by name. */
function tellings(serial: string): Record<string, string> {
  const found = serial.matchAll(/^(cmdline|microcode|profile)=(.*?)[ -]*\r?$/gm);
  return Object.fromEntries(Array.from(found, ([, name = "", value = ""]) => [name, value]));
}
