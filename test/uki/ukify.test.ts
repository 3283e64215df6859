import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { randomBytes } from "node:crypto";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { bytesSource, type ByteSource, openFileSource } from "@cvm-build/bytes";
import { assembleUki, readKernelRelease, readPe, readUki, type SectionName } from "@cvm-build/uki";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type DebianRoot, debianRoot } from "../support/trixie-root.ts";
import { debianKernel, debianStub } from "../support/uki-parts.ts";

/** ukify of systemd 257 is the judge: the same parts must give the same file. */
describe("assembleUki against ukify", () => {
  let folder: string;
  let root: DebianRoot | undefined;
  let kernel: ReturnType<typeof debianKernel>;

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "cvm-ukify-"));
    root = debianRoot("trixie", ["systemd-ukify"]);
    kernel = debianKernel();
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  const file = (name: string, content: Uint8Array | string): string => {
    const path = join(folder, name);
    writeFileSync(path, content);
    return path;
  };

  function build(stub: string, given: { sections: Partial<Record<SectionName, string>>; initrds: readonly string[] }) {
    if (!root || !kernel) throw new Error("expected ukify and a kernel");
    // Without --os-release ukify takes the host's, so every request has one.
    const flags: Partial<Record<SectionName, string>> = {
      ".osrel": "--os-release=@",
      ".cmdline": "--cmdline=@",
      ".splash": "--splash=",
      ".pcrpkey": "--pcrpkey=",
      ".ucode": "--microcode=",
    };
    const theirs = join(folder, "ukify.efi");
    root.run("usr/bin/ukify", [
      "build",
      `--stub=${stub}`,
      `--linux=${kernel.path}`,
      `--output=${theirs}`,
      ...given.initrds.map((initrd) => `--initrd=${initrd}`),
      ...Object.entries(given.sections).map(([name, path]) => `${flags[name as SectionName]}${path}`),
    ]);
    const ours = join(folder, "ours.efi");
    const sections: { name: SectionName; content: ByteSource[] }[] = Object.entries(given.sections).map(
      ([name, path]) => ({ name: name as SectionName, content: [openFileSource(path)] }),
    );
    sections.push({ name: ".linux", content: [openFileSource(kernel.path)] });
    const release = readKernelRelease(openFileSource(kernel.path));
    expect(release).toBe(kernel.release);
    sections.push({ name: ".uname", content: [bytesSource(Buffer.from(release))] });
    if (given.initrds.length > 0) sections.push({ name: ".initrd", content: joined(given.initrds) });
    const written = assembleUki({ stub: openFileSource(stub), sections, output: ours });
    return { ours: readFileSync(ours), theirs: readFileSync(theirs), written };
  }

  /** Parts of an initrd, each padded to four where there are several, as their maker does. */
  function joined(paths: readonly string[]): ByteSource[] {
    return paths.map((path) => {
      const bytes = readFileSync(path);
      const padding = paths.length === 1 ? 0 : (4 - (bytes.length % 4)) % 4;
      return bytesSource(Buffer.concat([bytes, Buffer.alloc(padding)]));
    });
  }

  it.for(["trixie", "sid"] as const)("writes the same bytes with %s's stub", (release, { skip }) => {
    const stub = debianStub(release);
    if (!root || !kernel || !stub) return void skip();
    const full: Partial<Record<SectionName, string>> = {
      ".osrel": file("osrel", "ID=test\nVERSION_ID=1\n"),
      ".cmdline": file("cmdline", "console=ttyS0 quiet"),
      ".splash": file("splash", randomBytes(1234)),
      ".pcrpkey": file("key", "-----BEGIN PUBLIC KEY-----\n"),
      ".ucode": file("ucode", randomBytes(2047)),
    };
    const one = file("one.cpio", randomBytes(100_001));
    const two = file("two.cpio", randomBytes(70_003));
    for (const given of [
      { sections: { ".osrel": full[".osrel"] ?? "" }, initrds: [] },
      { sections: full, initrds: [one, two] },
      { sections: { ".osrel": full[".osrel"] ?? "", ".cmdline": full[".cmdline"] ?? "" }, initrds: [one] },
    ]) {
      const { ours, theirs } = build(stub, given);
      expect(ours.equals(theirs)).toBe(true);
    }
  });

  it("differs with bookworm's stub in .sbat alone, where ukify writes into the section after it", ({ skip }) => {
    const stub = debianStub("bookworm");
    if (!root || !kernel || !stub) return void skip();
    const { ours, theirs, written } = build(stub, { sections: { ".osrel": file("osrel", "ID=test\n") }, initrds: [] });
    expect(written.sbat).toBe("stub");
    const [a, b] = [ours, theirs].map((bytes) => ({ bytes, uki: readUki(bytesSource(bytes)) }));
    if (!a || !b) throw new Error("expected both");
    const placed = ({ uki }: typeof a) =>
      uki.pe.sections.map(({ name, virtualSizeBytes, ...place }) => ({
        ...place,
        ...(name === ".sbat" ? {} : { virtualSizeBytes }),
      }));
    expect(placed(a)).toEqual(placed(b));
    const sbat = readPe(bytesSource(theirs)).sections.find(({ name }) => name === ".sbat");
    if (!sbat) throw new Error("the stub has .sbat");
    for (const { bytes } of [a, b]) {
      bytes.fill(0, sbat.pointerToRawData, sbat.pointerToRawData + sbat.sizeOfRawData);
      bytes.fill(0, sbat.headerOffset, sbat.headerOffset + 40);
    }
    expect(ours.equals(theirs)).toBe(true);
  });
});

describe("docs/from-ukify.md", () => {
  const page = readFileSync(join(import.meta.dirname, "../../docs/from-ukify.md"), "utf8");

  it.for([
    ["systemd-ukify", "usr/bin/ukify"],
    ["systemd", "usr/lib/systemd/systemd-measure"],
    ["sbsigntool", "usr/bin/sbsign"],
  ])("has every option of %s", ([name = "", program = ""], { skip }) => {
    const root = debianRoot("trixie", [name]);
    if (!root) return void skip();
    const help = root.run(program, ["--help"]);
    // One that ends in a dash goes on in the next line.
    const options = [
      /^\s+(?:-\w,? )?(--[a-z0-9-]*[a-z0-9])(?![a-z0-9-])/gm,
      /, (--[a-z0-9-]*[a-z0-9])(?![a-z0-9-])/g,
    ].flatMap((pattern) => [...help.matchAll(pattern)]);
    const names = new Set(options.map(([, option]) => option ?? ""));
    expect(names.size).toBeGreaterThan(5);
    expect([...names].filter((option) => !new RegExp(`\`${option}[=\`]`).test(page))).toEqual([]);
    const settings = [...help.matchAll(/^ {2}([A-Z]\w+) = /gm)].map(([, setting]) => setting);
    expect(settings.filter((setting) => !page.includes(`\`${setting}=\``))).toEqual([]);
  });
});
