import { createPrivateKey, randomBytes, X509Certificate } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { bytesSource, HASH_ALGORITHMS, openFileSource } from "@cvm-build/bytes";
import {
  compareWithLog,
  type KernelPath,
  type KernelUkiPath,
  predictBoot,
  type Prediction,
  predictUkiOnEsp,
  readEventLog,
  secureBootVariablesOf,
} from "@cvm-build/measure";
import {
  assembleAddon,
  authenticodeDigests,
  certificateList,
  digestList,
  encodeSignatureLists,
  enrolledVariables,
  generateKeySet,
  type KeyAlgorithm,
  type KeySet,
  type KeySetRequest,
  keySigner,
  readVariableStore,
  signPe,
  writeVariableStore,
} from "@cvm-build/uki";
import { boot, collectEvidence, type EspFile, type Firmware } from "@cvm-build/vm";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { debianKernel, debianStub } from "../support/uki-parts.ts";
import { findHere } from "../vm/here.ts";
import { makeTestImage, READY } from "../vm/test-image.ts";

const OVMF = "/usr/share/OVMF";
const EMPTY_STORE = join(OVMF, "OVMF_VARS_4M.fd");
const UKI_PATH = "EFI/BOOT/BOOTX64.EFI";
const ADDONS = `${UKI_PATH}.extra.d`;

const folder = mkdtempSync(join(tmpdir(), "cvm-secure-boot-"));
const temporaryDirectory = join(folder, "scratch");
mkdirSync(temporaryDirectory);
const here = await findHere(temporaryDirectory);
const image = here && makeTestImage(folder, "shell");
const stub = debianStub("trixie");

afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe.skipIf(!here || !image || !stub)("Secure Boot of OVMF", () => {
  const timestamp = new Date("2026-01-02T03:04:05Z");
  let keys: KeySet;
  let others: KeySet;
  let curves: KeySet;
  /** An add-on that nobody signs, whose digest is in db. */
  let listed: EspFile;
  let firmware: Firmware;
  let signed: string;

  const keySet = (given: Pick<KeySetRequest, "more"> & { algorithm?: KeyAlgorithm } = {}) =>
    generateKeySet({
      algorithm: "rsa2048",
      names: { PK: "Test PK", KEK: "Test KEK", db: "Test db" },
      notBefore: timestamp,
      notAfter: new Date("2036-01-01T00:00:00Z"),
      owner: "8a1d2c3b-1122-4455-8899-0123456789ab",
      randomBytes,
      ...given,
    });
  const file = (set: KeySet, name: string) =>
    set.files.find((found) => found.name === name)?.content ?? Buffer.alloc(0);
  const sign = (input: string, output: string, set = keys) =>
    signPe({
      image: input,
      output,
      signer: keySigner(createPrivateKey(file(set, "db.key")), "db.key"),
      certificates: [new X509Certificate(file(set, "db.crt"))],
    });

  beforeAll(async () => {
    others = await keySet();
    curves = await keySet({ algorithm: "p256" });
    listed = makeAddon("listed.addon.efi", "listed=1");
    const { sha256 } = authenticodeDigests(openFileSource(listed.hostPath), ["sha256"]);
    const owner = "00000000-0000-0000-0000-000000000001";
    const certificate = (set: KeySet) => certificateList({ owner, der: file(set, "db.cer") });
    keys = await keySet({
      more: {
        db: [certificate(others), digestList({ owner, sha256: [Buffer.from(sha256, "hex")] })],
        dbx: [digestList({ owner, sha256: [randomBytes(32)] })],
      },
    });
    // Firmware itself would not enrol a certificate with such a key.
    const db = Buffer.concat([keys.variables.db, encodeSignatureLists([certificate(curves)])]);
    const enrolled = enrolledVariables({ ...keys.variables, db }, timestamp);
    const varsPath = join(folder, "vars.fd");
    writeFileSync(varsPath, writeVariableStore(openFileSource(EMPTY_STORE), enrolled));
    firmware = { codePath: join(OVMF, "OVMF_CODE_4M.secboot.fd"), varsPath, smm: true };
    signed = join(folder, "signed.efi");
    await sign(image ?? "", signed);
  });

  const machine = () => ({
    tools: { ...here!.tools, firmware },
    host: here!.host,
    memoryMiB: 1024,
    cpus: 1,
    network: "none" as const,
    temporaryDirectory,
  });
  const start = (imagePath: string, espFiles: EspFile[] = []) =>
    collectEvidence({
      ...machine(),
      imagePath,
      espFiles,
      until: [{ kind: "serial-contains", text: READY }],
      timeoutSec: 200,
    });
  const predict = (imagePath: string, espFiles: EspFile[] = []) => {
    const variables = secureBootVariablesOf(readVariableStore(openFileSource(firmware.varsPath ?? "")));
    return predictUkiOnEsp(openFileSource(imagePath), {
      banks: HASH_ALGORITHMS,
      phases: [],
      secureBoot: { variables },
      companions: espFiles.map(({ espPath, hostPath }) => ({
        path: `/${espPath}`,
        content: bytesSource(readFileSync(hostPath)),
      })),
    });
  };

  function makeAddon(name: string, commandLine: string): EspFile {
    const hostPath = join(folder, name);
    const content = [bytesSource(Buffer.from(commandLine))];
    const addonStub = openFileSource(join(dirname(stub ?? ""), "addonx64.efi.stub"));
    assembleAddon({ stub: addonStub, sections: [{ name: ".cmdline", content }], output: hostPath });
    return { espPath: `${ADDONS}/${name}`, hostPath };
  }

  /** Boots and holds every register that is predicted against the machine's, event by event. */
  async function prove(espFiles: EspFile[]) {
    const evidence = await start(signed, espFiles);
    const prediction = await predict(signed, espFiles);
    const log = readEventLog(evidence.eventLog);
    const { registers } = compareWithLog(prediction, { log, registers: evidence.pcrs });
    expect(registers.map(({ register }) => register)).toEqual([4, 7, 8, 9, 11, 12, 13, 14].map((pcr) => `pcr${pcr}`));
    for (const { register, equal, events, firstDifference, comparedBanks } of registers) {
      const difference = firstDifference === undefined ? undefined : events[firstDifference];
      expect({ register, equal, difference }).toEqual({ register, equal: true, difference: undefined });
      expect(comparedBanks).toEqual(HASH_ALGORITHMS);
    }
    const typesOf = (pcr: number) =>
      prediction.events.filter((event) => event.register === `pcr${pcr}`).map(({ type }) => type);
    return { evidence, prediction, typesOf };
  }

  it("boots a signed UKI without an add-on that nobody has signed, as predicted", async () => {
    const unsigned = makeAddon("unsigned.addon.efi", "unsigned=1");
    const { evidence, prediction, typesOf } = await prove([unsigned]);
    expect(prediction.refused).toEqual([{ path: `/${ADDONS}/unsigned.addon.efi`, reason: "one without a signature" }]);
    // Action, separator and the UKI: neither the add-on nor the kernel by itself.
    expect(typesOf(4)).toEqual(["EV_EFI_ACTION", "EV_SEPARATOR", "EV_EFI_BOOT_SERVICES_APPLICATION"]);
    expect(evidence.pcrs.sha256?.[12]).toBe("00".repeat(32));
    expect(typesOf(7).filter((type) => type === "EV_EFI_VARIABLE_AUTHORITY")).toHaveLength(1);
  });

  it("boots it with add-ons that db lets start, and measures each authority once", async () => {
    const addons = [makeAddon("a.addon.efi", "a=1"), makeAddon("b.addon.efi", "b=1"), makeAddon("c.addon.efi", "c=1")];
    for (const [index, set] of [others, keys, others].entries()) {
      await sign(addons[index]?.hostPath ?? "", addons[index]?.hostPath ?? "", set);
    }
    const { prediction, typesOf } = await prove([...addons, listed]);
    expect(prediction.refused).toEqual([]);
    expect(typesOf(4).filter((type) => type === "EV_EFI_BOOT_SERVICES_APPLICATION")).toHaveLength(5);
    expect(typesOf(7).filter((type) => type === "EV_EFI_VARIABLE_AUTHORITY")).toHaveLength(3);
  });

  it.each<[string, (path: string) => Promise<void> | void, string]>([
    ["unsigned", (path) => writeFileSync(path, readFileSync(image ?? "")), "one without a signature"],
    [
      "with a flipped byte",
      (path) => {
        const bytes = readFileSync(signed);
        const middle = bytes.length >> 1;
        bytes[middle] = (bytes[middle] ?? 0) ^ 1;
        writeFileSync(path, bytes);
      },
      "one that was changed after it was signed",
    ],
    [
      "signed by a stranger",
      async (path) => void (await sign(image ?? "", path, await keySet())),
      'one signed by "CN=Test db", for whom no entry of db vouches',
    ],
    [
      "signed with a key of db's on a curve",
      async (path) => void (await sign(image ?? "", path, curves)),
      "one signed with an elliptic curve, which EDK2 is built without",
    ],
  ])("does not start a UKI that is %s, as predicted", async (name, make, refusal) => {
    const path = join(folder, `${name.replaceAll(/\W/g, "-")}.efi`);
    await make(path);
    await expect(predict(path)).rejects.toMatchObject({
      code: "secure-boot",
      message: `cannot predict a boot of "/${UKI_PATH}": expected an image that the firmware starts, got ${refusal}`,
    });
    await expect(start(path)).rejects.toMatchObject({
      code: "boot-failed",
      message: expect.stringContaining("found nothing to boot") as string,
      hint: expect.stringMatching(/failed to load Boot.*: Access Denied/) as string,
    });
  });

  it("starts a signed UKI by -kernel, and has it not use another command line", async () => {
    const commandLine = "console=ttyS0 stranger=1";
    using uki = openFileSource(signed);
    const prediction = await proveByKernel(signed, { kind: "kernel-uki", uki, commandLine });
    expect(prediction.refused).toEqual([{ path: `command line "${commandLine}"`, reason: "one beside the UKI's own" }]);
    expect(labelsOf(prediction, 12)).toEqual([]);
    expect(labelsOf(prediction, 7).filter((label) => label === "db")).toHaveLength(2);
  });

  it("starts a kernel by -kernel that nobody in db has signed, which leaves no trace", async () => {
    const kernel = debianKernel();
    const initrdPath = join(folder, "initrd");
    writeFileSync(initrdPath, "initrd");
    using bzImage = openFileSource(kernel!.path);
    using initrd = openFileSource(initrdPath);
    const commandLine = "console=ttyS0 panic=-1";
    const path = { kind: "kernel-bzimage", kernel: bzImage, initrd, commandLine } as const;
    const prediction = await proveByKernel(kernel!.path, path, initrdPath);
    expect(prediction.unmeasured).toEqual([
      {
        path: "kernel",
        reason: expect.stringMatching(/Secure Boot refuses it.*neither it nor its command line/) as string,
      },
    ]);
    expect(labelsOf(prediction, 4)).toEqual(["Calling EFI Application from Boot Option", "separator"]);
    expect(labelsOf(prediction, 9)).toEqual(["Linux initrd"]);
    expect(prediction.events.map(({ type }) => type)).not.toContain("EV_EFI_VARIABLE_AUTHORITY");
  });

  const labelsOf = (prediction: Prediction, pcr: number) =>
    prediction.events.filter(({ register }) => register === `pcr${pcr}`).map(({ label }) => label);

  /** Boots what QEMU hands to firmware, and holds every register that is predicted against the machine's. */
  async function proveByKernel(imagePath: string, path: KernelUkiPath | KernelPath, initrdPath?: string) {
    const { commandLine } = path;
    const evidence = await collectEvidence({
      ...machine(),
      imagePath,
      path: { kind: "kernel", ...(commandLine && { commandLine }), ...(initrdPath && { initrdPath }) },
      until: [READY, "Linux version"].map((text) => ({ kind: "serial-contains", text })),
      timeoutSec: 200,
    });
    const variables = secureBootVariablesOf(readVariableStore(openFileSource(firmware.varsPath ?? "")));
    const prediction = await predictBoot({
      path,
      banks: HASH_ALGORITHMS,
      phases: [],
      secureBoot: { variables },
      firmware: { release: "2022.11" },
      machine: { memoryBytes: 2 ** 30, qemuVersion: here!.host.qemuVersion, hasOptionRoms: false },
    });
    const log = readEventLog(evidence.eventLog);
    const { registers } = compareWithLog(prediction, { log, registers: evidence.pcrs });
    for (const { register, equal, events, firstDifference } of registers) {
      const difference = firstDifference === undefined ? undefined : events[firstDifference];
      expect({ register, equal, difference }).toEqual({ register, equal: true, difference: undefined });
    }
    expect(registers.map(({ register }) => register)).toEqual(expect.arrayContaining(["pcr4", "pcr5", "pcr7", "pcr9"]));
    return prediction;
  }

  it("is switched on by systemd-boot, which enrols the .auth files of a key set", async () => {
    const loader = join(folder, "systemd-boot.efi");
    await sign(join(dirname(stub ?? ""), "systemd-bootx64.efi"), loader);
    const config = join(folder, "loader.conf");
    writeFileSync(config, "timeout 0\nsecure-boot-enroll force\n");
    const enrolled = ["PK", "KEK", "db", "dbx"].map((name) => {
      const hostPath = join(folder, `${name}.auth`);
      writeFileSync(hostPath, file(keys, `${name}.auth`));
      return { espPath: `loader/keys/auto/${name}.auth`, hostPath };
    });
    await using running = await boot({
      ...machine(),
      tools: { ...here!.tools, firmware: { ...firmware, varsPath: EMPTY_STORE } },
      imagePath: loader,
      espFiles: [
        ...enrolled,
        { espPath: "loader/loader.conf", hostPath: config },
        { espPath: "EFI/Linux/a.efi", hostPath: signed },
      ],
      serial: "piped",
    });
    await running.waitForSerial(READY, { timeoutSec: 250 });
    expect(running.serialText()).toMatch(/enrolling secure boot keys/i);
    // Loader and UKI have the same authority, so that PCR 7 is that of a boot without a loader.
    const [, register] = /pcr-sha256\/7=([0-9A-F]{64})/.exec(running.serialText()) ?? [];
    const { registers } = await predictUkiOnEsp(openFileSource(signed), {
      banks: ["sha256"],
      phases: [],
      secureBoot: { variables: { SecureBoot: Buffer.from([1]), ...keys.variables } },
    });
    expect(register?.toLowerCase()).toBe(registers.pcr.sha256?.[7]);
  });
});
