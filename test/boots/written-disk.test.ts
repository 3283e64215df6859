import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { bytesSource, derivedUuid, openFileSource, sourceSha256 } from "@cvm-build/bytes";
import { FileTree, writeDisk, writeVfat } from "@cvm-build/fs-writer";
import { compareWithLog, predictBoot, readEventLog, secureBootVariablesOf } from "@cvm-build/measure";
import { assembleUki, readVariableStore } from "@cvm-build/uki";
import { collectEvidence, type EndCondition } from "@cvm-build/vm";
import { afterAll, describe, expect, it } from "vitest";
import { debianKernel, debianStub } from "../support/uki-parts.ts";
import { findHere } from "../vm/here.ts";

const SEED = "0e1f5a3c-5b0e-4f6b-9a2d-0c3b1f2a7d11";
const MIB = 1 << 20;
const folder = mkdtempSync(join(tmpdir(), "cvm-written-disk-"));
const path = (name: string): string => join(folder, name);
const here = await findHere(folder);
const [kernel, stub] = here ? [debianKernel(), debianStub("trixie")] : [];
const origin = { kind: "artifact", name: "uki" } as const;

afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe.skipIf(!here || !kernel || !stub)("a disk that was written here", () => {
  it("boots, and its partition table is in PCR 5 as predicted from what was written", async () => {
    const uki = path("uki.efi");
    writeUki(uki);
    await writeEsp(uki, path("esp"));
    const disk = writeDisk({
      output: path("disk"),
      architecture: "x86-64",
      diskUuid: derivedUuid(SEED, "disk"),
      partitions: [
        { ...partition("esp"), sizeBytes: 64 * MIB, flags: ["no-auto"], content: { path: path("esp") } },
        { ...partition("root"), sizeBytes: MIB, flags: ["read-only"], content: { bytes: Buffer.from("root") } },
        { ...partition("var"), sizeBytes: MIB, flags: ["grow-file-system"] },
      ],
    });
    const { tools, host } = here!;
    using source = openFileSource(uki);
    using variables = openFileSource(tools.firmware.varsPath ?? "");
    const prediction = await predictBoot({
      path: { kind: "esp", uki: source, companions: [] },
      banks: ["sha256"],
      phases: [],
      secureBoot: { variables: secureBootVariablesOf(readVariableStore(variables)) },
      firmware: { release: "2022.11", hasRandom: false },
      machine: { memoryBytes: 2 ** 30, cpus: 1, qemuVersion: host.qemuVersion, hasOptionRoms: false },
      disk: { gpt: disk.table, isReadOnly: true },
    });
    const speaks: EndCondition = { kind: "serial-contains", text: "Linux version" };
    const evidence = await collectEvidence({
      ...{ tools, host, memoryMiB: 1024, cpus: 1, network: "none", temporaryDirectory: folder },
      imagePath: path("disk"),
      path: { kind: "disk" },
      until: [speaks],
      timeoutSec: 300,
    });
    const log = readEventLog(evidence.eventLog);
    const { registers } = compareWithLog(prediction, { log, registers: evidence.pcrs });
    expect(registers.map(({ register }) => register)).toEqual(
      expect.arrayContaining(["pcr4", "pcr5", "pcr9", "pcr11"]),
    );
    for (const { register, equal, events, firstDifference } of registers) {
      const difference = firstDifference === undefined ? undefined : events[firstDifference];
      expect({ register, equal, difference }).toEqual({ register, equal: true, difference: undefined });
    }
    expect(prediction.events.filter(({ type }) => type === "EV_EFI_GPT_EVENT")).toHaveLength(1);
  });
});

const partition = <Type extends "esp" | "root" | "var">(type: Type) => ({
  type,
  uuid: derivedUuid(SEED, type),
  label: type,
});

function writeUki(output: string): void {
  const text = (content: string) => [bytesSource(Buffer.from(content))];
  assembleUki({
    stub: openFileSource(stub ?? ""),
    sections: [
      { name: ".linux", content: [openFileSource(kernel?.path ?? "")] },
      { name: ".osrel", content: text("ID=test\n") },
      { name: ".cmdline", content: text("console=ttyS0 panic=-1") },
      { name: ".initrd", content: text("seven b") },
      { name: ".uname", content: text(kernel?.release ?? "") },
    ],
    output,
  });
}

async function writeEsp(uki: string, output: string): Promise<void> {
  using source = openFileSource(uki);
  const attributes = { uid: 0, gid: 0, mtimeSec: 1_700_000_000, origin };
  const tree = new FileTree({ ...attributes, mode: 0o755 });
  tree.makeDirectories("/EFI/BOOT", origin);
  tree.set("/EFI/BOOT/BOOTX64.EFI", {
    ...attributes,
    kind: "file",
    mode: 0o644,
    content: { sizeBytes: source.sizeBytes, sha256: sourceSha256(source), file: { path: uki, offsetBytes: 0 } },
  });
  const volume = { label: "ESP", serial: 0x1234_5678, mtimeClampSec: attributes.mtimeSec, variant: "fat32" } as const;
  await writeVfat(tree, { output, sizeBytes: 64 * MIB, ...volume });
}
