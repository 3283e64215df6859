import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { bytesSource, HASH_ALGORITHMS, openFileSource } from "@cvm-build/bytes";
import type { Measurements } from "@cvm-build/image";
import { type EventLog, readEventLog } from "@cvm-build/measure";
import { assembleUki, readPe, type SectionName } from "@cvm-build/uki";
import { collectEvidence } from "@cvm-build/vm";
import { afterAll, describe, expect, it } from "vitest";
import { cvmBuildJson } from "../support/cli.ts";
import { debianFiles } from "../support/trixie-root.ts";
import { debianKernel, debianStub } from "../support/uki-parts.ts";
import { findHere } from "../vm/here.ts";

const folder = mkdtempSync(join(tmpdir(), "cvm-shim-"));
const temporaryDirectory = join(folder, "scratch");
mkdirSync(temporaryDirectory);
const here = await findHere(temporaryDirectory);
const kernel = here && debianKernel();
const stub = here && debianStub("trixie");
const shimRoot = here && debianFiles("trixie", ["shim-signed"], /^shim-signed$/);

afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe.skipIf(!here || !kernel || !stub || !shimRoot)("Debian's shim", () => {
  it("boots a UKI as a platform that names it predicts, in every bank", async () => {
    const shim = join(shimRoot!, "usr/lib/shim/shimx64.efi.signed");
    const uki = makeUki();
    const { tools, host } = here!;
    const evidence = await collectEvidence({
      ...{ tools, host, imagePath: shim, memoryMiB: 1024, cpus: 1, network: "none", temporaryDirectory },
      espFiles: [{ espPath: "EFI/BOOT/grubx64.efi", hostPath: uki }],
      until: [
        { kind: "serial-contains", text: "Linux version" },
        { kind: "quiet", quietSec: 60 },
      ],
      timeoutSec: 200,
    });
    writePlatform(shim, readEventLog(evidence.eventLog));
    const { platforms } = await cvmBuildJson<Measurements>(["measure", uki, "--platform", "with-shim"], {
      cwd: folder,
    });
    const { registers, unpredicted } = platforms[0]!;
    const open = unpredicted.map(({ register }) => register);
    expect([4, 5, 7, 9, 11, 12, 14].filter((pcr) => open.includes(`pcr${pcr}`))).toEqual([]);
    for (const pcr of [4, 5, 7, 9, 11, 12, 14]) {
      for (const bank of HASH_ALGORITHMS) {
        expect({ pcr, bank, value: registers.pcr[bank]?.[pcr] }).toEqual({
          ...{ pcr, bank },
          value: evidence.pcrs[bank]?.[pcr],
        });
      }
    }
  });
});

function makeUki(): string {
  const output = join(folder, "image.efi");
  const texts: [SectionName, string][] = [
    [".osrel", "ID=test\n"],
    [".cmdline", "console=ttyS0 panic=-1"],
    [".initrd", "seven b"],
    [".uname", kernel!.release],
  ];
  assembleUki({
    stub: openFileSource(stub!),
    sections: [
      { name: ".linux", content: [openFileSource(kernel!.path)] },
      ...texts.map(([name, text]) => ({ name, content: [bytesSource(Buffer.from(text))] })),
    ],
    output,
  });
  return output;
}

/**
 * The platform, with what this shim's variables hold: a list of the certificate that it was built with, its list of revoked
 * hashes, that the list is trusted, and of SBAT what the log says.
 */
function writePlatform(shim: string, log: EventLog): void {
  mkdirSync(join(folder, "platforms"));
  const write = (name: string, data: string | Uint8Array) => writeFileSync(join(folder, "platforms", name), data);
  const { certificate, revoked } = readVendorLists(readFileSync(shim));
  write("moklist", encodeCertificateList(certificate));
  write("moklistx", revoked);
  write("moklisttrusted", Uint8Array.of(1));
  const name = Buffer.from("SbatLevel", "utf16le");
  const level = log.events.find(({ register, data }) => register === 7 && data.includes(name));
  write("sbatlevel", level!.data.subarray(VARIABLE_HEADER_BYTES + name.length));
  write(
    "with-shim.yaml",
    [
      "description: Debian's shim, without Secure Boot",
      `firmware: { variables: ${here!.tools.firmware.varsPath}, release: "2022.11", random: false }`,
      `machine: { version: "${here!.host.qemuVersion}", memory: 1G, cpus: 1, optionRoms: false }`,
      "disk: { partitions: none, readOnly: true }",
      "shim:",
      `  file: ${shim}`,
      ...["mokList", "mokListX", "mokListTrusted", "sbatLevel"].map((key) => `  ${key}: ${key.toLowerCase()}`),
      "",
    ].join("\n"),
  );
}

/** @see TCG PC Client Platform Firmware Profile, `UEFI_VARIABLE_DATA`: GUID, length of the name, length of the data */
const VARIABLE_HEADER_BYTES = 32;
/** @see Microsoft PE Format, "COFF Symbol Table": names that are too long for a section's header follow it */
const SYMBOL_BYTES = 18;
const SHIM_LOCK = Buffer.from("50ab5d6046e00043abb63dd810dd8b23", "hex");
const X509 = Buffer.from("a159c0a5e494a74a87b5ab155c2bf072", "hex");

/** @see shim, cert.S: sizes and places of the two lists in section `.vendor_cert` */
function readVendorLists(image: Buffer): { certificate: Buffer; revoked: Buffer } {
  const { coff, sections } = readPe(bytesSource(image));
  const names = image.subarray(coff.pointerToSymbolTable + coff.numberOfSymbols * SYMBOL_BYTES);
  const isVendors = (name: string) => name.startsWith("/") && names.indexOf(".vendor_cert\0") === Number(name.slice(1));
  const table = image.subarray(sections.find(({ name }) => isVendors(name))!.pointerToRawData);
  const part = (index: number) => {
    const start = table.readUInt32LE(8 + index * 4);
    return table.subarray(start, start + table.readUInt32LE(index * 4));
  };
  return { certificate: part(0), revoked: part(1) };
}

/** A list of one certificate. @see UEFI Specification 2.10, 32.4.1, `EFI_SIGNATURE_LIST` */
function encodeCertificateList(certificate: Buffer): Buffer {
  const sizes = Buffer.alloc(12);
  const entryBytes = SHIM_LOCK.length + certificate.length;
  sizes.writeUInt32LE(28 + entryBytes, 0);
  sizes.writeUInt32LE(entryBytes, 8);
  return Buffer.concat([X509, sizes, SHIM_LOCK, certificate]);
}
