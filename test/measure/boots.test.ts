import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { type ByteSource, bytesSource, HASH_ALGORITHMS, openFileSource } from "@cvm-build/bytes";
import { compareWithLog, encodeStubCpio, predictUkiOnEsp, readEventLog, type PcrValues } from "@cvm-build/measure";
import { assembleUki, type SectionName } from "@cvm-build/uki";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { debianKernel, debianStub } from "../support/uki-parts.ts";

const shared = join(import.meta.dirname, "../../../shared");
const oracle = join(shared, "tools/measured-boot/boot.py");
const vectors = join(shared, "vectors/qemu-boots/files");

const OVMF = "/usr/share/OVMF/OVMF_CODE_4M.fd";
const PROGRAMS = ["qemu-system-x86_64", "swtpm", "swtpm_setup", "mkfs.vfat", "mmd", "mcopy"];
const isMissing = (program: string) => spawnSync("which", [program]).status !== 0;

/** Files beside the UKI, of every kind that a stub measures. */
const COMPANIONS = {
  "local1.addon.efi": "/EFI/BOOT/BOOTX64.EFI.extra.d/local1.addon.efi",
  "foo.cred": "/EFI/BOOT/BOOTX64.EFI.extra.d/foo.cred",
  "ext2.raw": "/EFI/BOOT/BOOTX64.EFI.extra.d/ext2.raw",
  "ext1.sysext.raw": "/EFI/BOOT/BOOTX64.EFI.extra.d/ext1.sysext.raw",
  "c1.confext.raw": "/EFI/BOOT/BOOTX64.EFI.extra.d/c1.confext.raw",
  "glob1.addon.efi": "/loader/addons/glob1.addon.efi",
  "glob.cred": "/loader/credentials/glob.cred",
};

/**
 * Real boots, watched by a program that shares no code with cvm-build. The guest does nothing: all that is predicted
 * here is measured before its first process starts.
 */
describe.skipIf(!existsSync(oracle))("predictUkiOnEsp against boots", () => {
  let folder: string;
  let missing: string[];

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "cvm-boots-"));
    missing = [...PROGRAMS.filter(isMissing), ...(existsSync(OVMF) ? [] : [OVMF])];
    if (process.env["CI"]) expect(missing).toEqual([]);
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  const text = (content: string) => bytesSource(Buffer.from(content));
  const vector = (name: string) => bytesSource(readFileSync(join(vectors, name)));
  const cases: [string, "bookworm" | "trixie", Partial<Record<SectionName, ByteSource>>, number[]][] = [
    ["stub 252", "bookworm", {}, [4, 8, 9, 11, 12, 13, 14]],
    [
      "stub 257 with every section",
      "trixie",
      {
        ".splash": vectorIfAny("splash.bmp"),
        ".ucode": vectorIfAny("ucode.cpio"),
        ".pcrpkey": vectorIfAny("pcr-pub.pem"),
        ".pcrsig": text("{}"),
        ".profile": text("ID=a\n"),
        ".hwids": bytesSource(Buffer.alloc(56)),
      },
      [4, 8, 9, 11, 12, 13, 14],
    ],
  ];

  function vectorIfAny(name: string): ByteSource {
    return existsSync(vectors) ? vector(name) : text("none");
  }

  it.for(cases)("%s", async ([name, release, more, pcrs], { skip }) => {
    const stub = debianStub(release);
    const kernel = debianKernel();
    if (missing.length > 0 || !stub || !kernel) return void skip();
    const image = join(folder, "image.efi");
    const sections: Partial<Record<SectionName, ByteSource>> = {
      ".linux": openFileSource(kernel.path),
      ".initrd": bytesSource(encodeStubCpio([{ name: "init", content: pausingProgram() }], ROOT)),
      ".osrel": vector("os-release.txt"),
      ".cmdline": text("  console=ttyS0\trdinit=/root/init \n"),
      ".uname": text(kernel.release),
      ...more,
    };
    assembleUki({
      stub: openFileSource(stub),
      sections: Object.entries(sections).map(([section, content]) => ({
        name: section as SectionName,
        content: [content],
      })),
      output: image,
    });
    const { log, registers } = boot(image, join(folder, name.replaceAll(" ", "-")));
    const prediction = await predictUkiOnEsp(openFileSource(image), {
      banks: HASH_ALGORITHMS,
      phases: [],
      secureBoot: false,
      companions: Object.entries(COMPANIONS).map(([file, path]) => ({ path, content: vector(file) })),
    });
    const comparison = compareWithLog(prediction, { log, registers });
    expect(comparison.registers.map(({ register }) => register)).toEqual(pcrs.map((pcr) => `pcr${pcr}`));
    for (const { register, equal, comparedBanks, firstDifference, events } of comparison.registers) {
      const difference = firstDifference === undefined ? undefined : events[firstDifference];
      expect({ register, equal, difference }).toEqual({ register, equal: true, difference: undefined });
      expect(comparedBanks.length).toBeGreaterThanOrEqual(3);
    }
  });

  /** What machine and TPM say after the kernel has taken over. */
  function boot(image: string, out: string) {
    mkdirSync(out);
    const espFiles = Object.entries(COMPANIONS).flatMap(([file, path]) => [
      "--esp-file",
      `${join(vectors, file)}=${path}`,
    ]);
    const result = spawnSync(
      "python3",
      [
        oracle,
        "--mode=esp",
        `--uki=${image}`,
        `--out=${out}`,
        "--no-guest",
        "--until=idle:4",
        "--timeout=240",
        ...espFiles,
      ],
      { cwd: dirname(out), encoding: "utf8" },
    );
    expect(existsSync(join(out, "pcrs.json")), result.stdout + result.stderr).toBe(true);
    return {
      log: readEventLog(readFileSync(join(out, "eventlog.bin"))),
      registers: JSON.parse(readFileSync(join(out, "pcrs.json"), "utf8")) as PcrValues,
    };
  }
});

const ROOT = { prefix: "root", directoryMode: 0o755, fileMode: 0o755 };

/** A static x86-64 ELF program that waits for signals for ever. */
function pausingProgram(): Buffer {
  const code = Buffer.from("b8220000000f05ebf7", "hex"); // mov eax, 34 (pause); syscall; jmp to the start
  const header = Buffer.alloc(120);
  header.write("\x7fELF\x02\x01\x01", "latin1");
  header.writeUInt16LE(2, 16); // executable
  header.writeUInt16LE(62, 18); // x86-64
  header.writeUInt32LE(1, 20);
  header.writeBigUInt64LE(0x400078n, 24); // entry: after the headers
  header.writeBigUInt64LE(64n, 32); // program headers
  header.writeUInt16LE(64, 52);
  header.writeUInt16LE(56, 54);
  header.writeUInt16LE(1, 56);
  header.writeUInt32LE(1, 64); // load
  header.writeUInt32LE(5, 68); // read and execute
  header.writeBigUInt64LE(0x400000n, 80);
  header.writeBigUInt64LE(0x400000n, 88);
  header.writeBigUInt64LE(BigInt(120 + code.length), 96);
  header.writeBigUInt64LE(BigInt(120 + code.length), 104);
  header.writeBigUInt64LE(4096n, 112);
  return Buffer.concat([header, code]);
}
