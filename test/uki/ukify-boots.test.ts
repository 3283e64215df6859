import { createHash, generateKeyPairSync } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { bytesSource, openFileSource } from "@cvm-build/bytes";
import { compareWithLog, predictBoot, predictUkiOnEsp, predictUkiPhases, readEventLog } from "@cvm-build/measure";
import { microcodeArchives, type SectionName } from "@cvm-build/uki";
import { collectEvidence } from "@cvm-build/vm";
import { afterAll, describe, expect, it } from "vitest";
import { makeDeviceTree } from "../../packages/uki/src/device-tree.fixture.ts";
import { debianFiles, debianRoot } from "../support/trixie-root.ts";
import { debianAddonStub, debianKernel, debianStub } from "../support/uki-parts.ts";
import { findHere } from "../vm/here.ts";
import { makeInitrd, READY, TELL_REGISTERS } from "../vm/test-image.ts";
import { choose } from "./seeded.ts";
import { buildOurselves, buildWithUkify, type Part, type Parts } from "./ukify-peer.ts";

/** What an image may have beside a kernel, a command line and an initrd that boots. */
const OPTIONAL_PARTS: SectionName[] = [
  ...([".osrel", ".dtb", ".dtbauto", ".hwids", ".uname"] as const),
  ...([".splash", ".pcrpkey", ".ucode", ".sbat", ".pcrsig"] as const),
];
/** The section combinations that are booted: two, or as many as asked for. */
const COMBINATIONS = chooseCombinations(Number(process.env["CVM_UKIFY_BOOTS"] ?? 2));

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
const ukify =
  here &&
  debianRoot("trixie", [
    "systemd-ukify",
    ...["systemd", "libtss2-esys-3.0.2-0t64", "libtss2-mu-4.0.1-0t64", "libtss2-rc0t64"],
  ]);
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

  it.concurrent.for([...COMBINATIONS])("boots with %s, as predicted", async ([title, { names, profileCount }]) => {
    const imagePath = both(title.replaceAll(" ", ""), {
      ...given!.uki,
      parts: [
        ...given!.uki.parts.filter(({ name }) => name === ".cmdline" || name === ".initrd" || names.includes(name)),
        ...given!.optional.filter(({ name }) => names.includes(name)),
      ],
      profiles: given!.uki.profiles.slice(0, profileCount),
      policyKey: names.includes(".pcrsig") ? given!.policyKey : undefined,
    });
    const evidence = await collectEvidence({ ...request, imagePath });
    const { cmdline, profile, microcode } = tellings(evidence.serial);
    expect(cmdline).toBe("console=ttyS0 loglevel=4 rdinit=/init panic=-1");
    expect(profile).toBe(profileCount === 0 ? "" : "ID=main");
    expect(microcode !== "").toBe(names.includes(".ucode"));
    using source = openFileSource(imagePath);
    const prediction = await predictUkiOnEsp(source, { banks: ["sha256", "sha384"], phases: [], secureBoot: false });
    const { registers } = compareWithLog(prediction, {
      log: readEventLog(evidence.eventLog),
      registers: evidence.pcrs,
    });
    expect(registers.filter(({ equal }) => !equal)).toEqual([]);
    expect(registers.map(({ register }) => register)).toEqual(
      expect.arrayContaining(["pcr4", "pcr9", "pcr11", "pcr12", "pcr13"]),
    );
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

/** Policies are signed for a key that the image names; with `.hwids` or `.dtbauto` ukify 257 signs other values. */
function chooseParts(seed: string): SectionName[] {
  const names = choose(seed, OPTIONAL_PARTS);
  if (!names.includes(".pcrsig")) return names;
  return [...new Set([...names, ".pcrpkey" as const])].filter((name) => name !== ".hwids" && name !== ".dtbauto");
}

/** That many, by title: no two are the same. */
function chooseCombinations(count: number) {
  const combinations = new Map<string, { names: SectionName[]; profileCount: number }>();
  for (let seed = 0; combinations.size < count; seed += 1) {
    const names = chooseParts(`boot ${seed}`);
    const profileCount = [0, 0, 2][seed % 3] ?? 0;
    const title = `${names.toSorted().join(" ") || "nothing more"} and ${profileCount} profiles`;
    combinations.set(title, { names, profileCount });
  }
  return combinations;
}

function makeParts(): { uki: Parts; addon: Parts; optional: Part[]; policyKey: string } | undefined {
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
  const policy = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const policyKey = join(folder, "policy.pem");
  writeFileSync(policyKey, policy.privateKey.export({ type: "pkcs8", format: "pem" }));
  const hwids = join(folder, "hwids");
  mkdirSync(hwids);
  writeFileSync(
    join(hwids, "board.json"),
    JSON.stringify({
      type: "devicetree",
      name: "Acme one",
      compatible: "acme,one",
      hwids: ["0c1f2a3b-4d5e-5f60-8172-93a4b5c6d7e8"],
    }),
  );
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
    optional: [
      part(".dtb", makeDeviceTree([["compatible", "acme,base\0"]])),
      part(".dtbauto", makeDeviceTree([["compatible", "acme,one\0"]])),
      { name: ".hwids", values: [hwids] },
      { name: ".uname", values: ["6.1-cvm-build-test"] },
      part(".splash", makeBitmap()),
      part(".pcrpkey", policy.publicKey.export({ type: "spki", format: "pem" })),
      part(".sbat", "sbat,1,x\nacme,1,Acme\n"),
    ],
    policyKey,
    addon: { ...base, kernel: undefined, parts: [part(".cmdline", "added=1")], profiles: [] },
  };
}

/** A picture of one red pixel. */
function makeBitmap(): Buffer {
  const bitmap = Buffer.alloc(58);
  bitmap.write("BM");
  bitmap.writeUInt32LE(58, 2);
  bitmap.writeUInt32LE(54, 10);
  bitmap.writeUInt32LE(40, 14);
  bitmap.writeInt32LE(1, 18);
  bitmap.writeInt32LE(1, 22);
  bitmap.writeUInt16LE(1, 26);
  bitmap.writeUInt16LE(24, 28);
  bitmap[56] = 0xff;
  return bitmap;
}

/** What the guest has said, by name. */
function tellings(serial: string): Record<string, string> {
  const found = serial.matchAll(/^(cmdline|microcode|profile)=(.*?)[ -]*\r?$/gm);
  return Object.fromEntries(Array.from(found, ([, name = "", value = ""]) => [name, value]));
}
