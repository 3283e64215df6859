import { createPrivateKey, randomBytes, X509Certificate } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { type ByteSource, bytesSource, openFileSource } from "@cvm-build/bytes";
import type { BootPath } from "@cvm-build/measure";
import {
  assembleAddon,
  assembleUki,
  digestList,
  enrolledVariables,
  generateKeySet,
  type KeySet,
  keySigner,
  type SectionInput,
  type SectionName,
  signPe,
  writeVariableStore,
} from "@cvm-build/uki";
import type { EspFile, Firmware, ImagePath } from "@cvm-build/vm";
import { ovmfFile } from "../measure/ovmf-files.ts";
import { debianAddonStub, debianKernel, debianLoader, debianStub } from "../support/uki-parts.ts";
import type { Row } from "./matrix-rows.ts";

/** A row's files: as the machine gets them, and as they are predicted. */
export interface RowImage {
  firmware: Firmware & { varsPath: string };
  imagePath: string;
  vmPath: ImagePath;
  espFiles: EspFile[];
  bootPath: BootPath;
}

const RELEASE_OF = {
  252: "bookworm",
  257: "trixie",
  262: "sid",
  "Linux 6.1": "bookworm",
  "Linux 6.12": "trixie",
  "Linux 7.2": "sid",
} as const satisfies Record<Row["image"], string>;

/** With it Linux speaks from its first line on, long after its stub's last measurement, and stays where it then fails. */
const COMMAND_LINE = "console=ttyS0 earlyprintk=ttyS0 panic=0";
const REMOVABLE_MEDIA_PATH = "EFI/BOOT/BOOTX64.EFI";
const BESIDE_LOADER = "EFI/test/uki.efi";
const TIME = new Date("2026-01-02T03:04:05Z");

/** Makes the files of rows, signed by one set of keys. */
export class MatrixImages {
  readonly #folder: string;
  readonly #keys: KeySet;

  private constructor(folder: string, keys: KeySet) {
    this.#folder = folder;
    this.#keys = keys;
  }

  /** @param folder where files are put, which stay there */
  static async create(folder: string): Promise<MatrixImages> {
    const keys = await generateKeySet({
      algorithm: "rsa2048",
      names: { PK: "Matrix PK", KEK: "Matrix KEK", db: "Matrix db" },
      notBefore: TIME,
      notAfter: new Date("2036-01-01T00:00:00Z"),
      owner: "8a1d2c3b-1122-4455-8899-0123456789ab",
      randomBytes,
      more: { dbx: [digestList({ owner: "00000000-0000-0000-0000-000000000001", sha256: [randomBytes(32)] })] },
    });
    return new MatrixImages(folder, keys);
  }

  /** Makes a row's files; undefined where the parts cannot be had and a test may skip. */
  async make(row: Row): Promise<RowImage | undefined> {
    const firmware = this.#firmware(row);
    const release = RELEASE_OF[row.image];
    const kernel = debianKernel(release);
    if (!firmware || !kernel) return undefined;
    if (row.path === "kernel-bzimage") return { firmware, espFiles: [], ...(await this.#bzImage(row, kernel.path)) };
    const [stub, loader, addonStub] = [debianStub(release), debianLoader(release), debianAddonStub("trixie")];
    if (!stub || !loader || !addonStub) return undefined;
    const uki = await this.#sign(row, this.#uki(row, { stub, kernel }), "uki.efi");
    const start = { firmware, imagePath: uki };
    const content = openFileSource(uki);
    if (row.path === "kernel-uki") {
      const commandLine = PASSED[row.content];
      const passed = commandLine === undefined ? {} : { commandLine };
      const bootPath = { kind: "kernel-uki", uki: content, ...passed } as const;
      return { ...start, espFiles: [], vmPath: { kind: "kernel", ...passed }, bootPath };
    }
    const ukiPath = row.path === "esp" ? REMOVABLE_MEDIA_PATH : BESIDE_LOADER;
    const beside = await this.#beside(row, { ukiPath, addonStub });
    const companions = beside.map(({ espPath, hostPath }) => ({
      path: `/${espPath}`,
      content: bytesSource(readFileSync(hostPath)),
    }));
    const vmPath = { kind: "esp" } as const;
    if (row.path === "esp") {
      return { ...start, espFiles: beside, vmPath, bootPath: { kind: "esp", uki: content, companions } };
    }
    const imagePath = await this.#sign(row, loader, "loader.efi");
    const options = row.content === "profiles" ? `@1 ${COMMAND_LINE} passed=1` : undefined;
    const entry = [`title test`, `efi /${ukiPath}`, ...(options === undefined ? [] : [`options ${options}`]), ""];
    return {
      firmware,
      imagePath,
      espFiles: [
        ...beside,
        { espPath: ukiPath, hostPath: uki },
        this.#file(row, { espPath: "loader/entries/test.conf", content: entry.join("\n") }),
      ],
      vmPath,
      bootPath: {
        kind: "systemd-boot",
        loader: openFileSource(imagePath),
        uki: content,
        ukiPath: `/${ukiPath}`,
        companions,
        ...(options !== undefined && { commandLine: options }),
      },
    };
  }

  #firmware({ ovmf, content }: Row): RowImage["firmware"] | undefined {
    const isSecure = content === "secure-boot";
    const codePath = ovmfFile(`${ovmf}/OVMF/OVMF_CODE_4M${isSecure ? ".secboot" : ""}.fd`);
    if (codePath === undefined) return undefined;
    const empty = join(dirname(codePath), "OVMF_VARS_4M.fd");
    if (!isSecure) return { codePath, varsPath: empty };
    const varsPath = join(this.#folder, `${ovmf}-vars.fd`);
    if (!existsSync(varsPath)) {
      const enrolled = enrolledVariables(this.#keys.variables, TIME);
      writeFileSync(varsPath, writeVariableStore(openFileSource(empty), enrolled));
    }
    return { codePath, varsPath, smm: true };
  }

  async #bzImage(row: Row, kernel: string): Promise<Pick<RowImage, "imagePath" | "vmPath" | "bootPath">> {
    const imagePath = await this.#sign(row, kernel, "kernel");
    const { hostPath: initrdPath } = this.#file(row, { espPath: "initrd", content: "not a multiple of four" });
    const commandLine = `${COMMAND_LINE} vga=0x317`;
    const initrd = openFileSource(initrdPath);
    return {
      imagePath,
      vmPath: { kind: "kernel", commandLine, initrdPath },
      bootPath: { kind: "kernel-bzimage", kernel: openFileSource(imagePath), initrd, commandLine },
    };
  }

  #uki(row: Row, { stub, kernel }: { stub: string; kernel: { path: string; release: string } }): string {
    const output = join(this.#of(row), "unsigned.efi");
    const sections = {
      ".linux": openFileSource(kernel.path),
      ".osrel": "ID=test\n",
      ".cmdline": COMMAND_LINE,
      ".initrd": "seven b",
      ".uname": kernel.release,
      ...(row.content === "companions" && { ".pcrsig": "{}", ".pcrpkey": "key" }),
      ...(row.content === "companions" && row.image !== 252 && { ".ucode": "microcode" }),
    };
    const profile = (id: string, more: Partial<Record<SectionName, string>> = {}) => {
      return { sections: sectionsOf({ ".profile": `ID=${id}\n`, ...more }) };
    };
    const second = profile("second", { ".cmdline": `${COMMAND_LINE} second=1`, ".initrd": "the second's" });
    const profiles = [profile("main"), second, profile("third")];
    assembleUki({
      stub: openFileSource(stub),
      sections: sectionsOf(sections),
      ...(row.content === "profiles" && { profiles }),
      output,
    });
    return output;
  }

  /** What stands on the ESP beside the image. */
  async #beside(row: Row, { ukiPath, addonStub }: { ukiPath: string; addonStub: string }): Promise<EspFile[]> {
    const place = `${ukiPath}.extra.d`;
    const addon = async (espPath: string, sections: Partial<Record<SectionName, string>>, { isSigned = true } = {}) => {
      const output = join(this.#of(row), espPath.replaceAll("/", "-"));
      assembleAddon({ stub: openFileSource(addonStub), sections: sectionsOf(sections), output });
      return {
        espPath,
        hostPath: isSigned ? await this.#sign(row, output, `signed-${espPath.replaceAll("/", "-")}`) : output,
      };
    };
    const configuration =
      row.path === "systemd-boot" ? [this.#file(row, { espPath: "loader/loader.conf", content: "timeout 0\n" })] : [];
    if (row.content === "secure-boot") {
      const unsigned = await addon(`${place}/unsigned.addon.efi`, { ".cmdline": "unsigned=1" }, { isSigned: false });
      return [...configuration, unsigned, await addon(`${place}/signed.addon.efi`, { ".cmdline": "signed=1" })];
    }
    if (row.content !== "companions") return configuration;
    const files = Object.entries({
      [`${place}/b.cred`]: "b",
      [`${place}/a.cred`]: "a",
      [`${place}/e.sysext.raw`]: "system",
      [`${place}/c.confext.raw`]: "configuration",
      [`${place}/old.raw`]: "system, by its old name",
      "loader/credentials/g.cred": "global",
      "loader/extensions/s.sysext.raw": "global system",
      "loader/extensions/t.confext.raw": "global configuration",
    });
    return [
      ...configuration,
      ...files.map(([espPath, content]) => this.#file(row, { espPath, content })),
      await addon(`${place}/l.addon.efi`, { ".cmdline": "local=1" }),
      await addon(`${place}/m.addon.efi`, { ".initrd": "an initrd", ".ucode": "more microcode" }),
      await addon("loader/addons/z.addon.efi", { ".cmdline": "global=2" }),
      await addon("loader/addons/y.addon.efi", { ".cmdline": "global=1" }),
    ];
  }

  async #sign(row: Row, image: string, name: string): Promise<string> {
    if (row.content !== "secure-boot") return image;
    const output = join(this.#of(row), name);
    const content = (file: string) => this.#keys.files.find((found) => found.name === file)?.content ?? Buffer.alloc(0);
    const certificates = [new X509Certificate(content("db.crt"))];
    await signPe({ image, output, signer: keySigner(createPrivateKey(content("db.key")), "db.key"), certificates });
    return output;
  }

  #file(row: Row, { espPath, content }: { espPath: string; content: string }): EspFile {
    const hostPath = join(this.#of(row), espPath.replaceAll("/", "-"));
    writeFileSync(hostPath, content);
    return { espPath, hostPath };
  }

  #of(row: Row): string {
    const { path, ovmf, image, content, size, qemu } = row;
    const folder = join(this.#folder, [path, ovmf, image, content, size, qemu].join("-").replaceAll(" ", "-"));
    mkdirSync(folder, { recursive: true });
    return folder;
  }
}

/** What QEMU's `-append` says to a UKI. Under Secure Boot a stub does not use it. */
const PASSED: Partial<Record<Row["content"], string>> = {
  passed: `${COMMAND_LINE} passed=1`,
  "secure-boot": `${COMMAND_LINE} stranger=1`,
  profiles: `@1 ${COMMAND_LINE} passed=1`,
};

function sectionsOf(contents: Partial<Record<SectionName, string | ByteSource>>): SectionInput[] {
  return Object.entries(contents).map(([name, content]) => ({
    name: name as SectionName,
    content: [typeof content === "string" ? bytesSource(Buffer.from(content)) : content],
  }));
}
