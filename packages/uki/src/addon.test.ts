import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { bytesSource, CvmError } from "@cvm-build/bytes";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { assembleAddon } from "./addon.ts";
import { inspectUki } from "./inspect.ts";
import { makeAddonStub, makeStub } from "./pe/pe.fixture.ts";
import type { SectionInput } from "./requested-sections.ts";

let folder: string;
beforeAll(() => void (folder = mkdtempSync(join(tmpdir(), "cvm-addon-"))));
afterAll(() => rmSync(folder, { recursive: true }));

const text = (content: string) => bytesSource(Buffer.from(content));
const section = (name: SectionInput["name"], content: string): SectionInput => ({ name, content: [text(content)] });

function assemble(sections: SectionInput[], stub = makeAddonStub("257.13-1")) {
  const output = join(folder, "debug.addon.efi");
  rmSync(output, { force: true });
  const written = assembleAddon({ stub: bytesSource(stub), sections, output });
  return { names: written.sections.map(({ name }) => name), bytes: readFileSync(output) };
}

describe("assembleAddon", () => {
  it("adds sections to the add-on stub, with a table by which it can be revoked", () => {
    const { names, bytes } = assemble([
      section(".uname", "6.12"),
      section(".initrd", "x"),
      section(".cmdline", "debug"),
    ]);
    expect(names).toEqual([".cmdline", ".uname", ".initrd", ".sbat"]);
    const inspection = inspectUki(bytesSource(bytes));
    expect(inspection).toMatchObject({ kind: "addon", machine: "x86-64", cmdline: "debug", uname: "6.12" });
    expect(inspection.sbat).toContain("\nuki-addon,1,UKI Addon,addon,1,https://");
  });

  it("takes the rows that are given instead", () => {
    const { bytes } = assemble([section(".cmdline", "a"), section(".sbat", "sbat,1\nacme,1,Acme\n")]);
    expect(inspectUki(bytesSource(bytes)).sbat?.split("\n").slice(1)).toEqual(["acme,1,Acme", ""]);
  });

  it.each<[string, SectionInput[], Buffer | undefined, string, string]>([
    ["nothing to add", [section(".uname", "6.12")], undefined, "uki-section", "expected something to add, got nothing"],
    [
      "a section that is ignored in add-ons",
      [section(".osrel", "ID=x")],
      undefined,
      "uki-section",
      'cannot add section ".osrel": expected a section that add-ons may have',
    ],
    [
      "a version that takes no initrd from add-ons",
      [section(".initrd", "x")],
      makeAddonStub("256.4"),
      "uki-stub",
      'cannot add section ".initrd": expected systemd-addon 257 or later, got 256.4',
    ],
    [
      "the stub of a UKI",
      [section(".cmdline", "x")],
      makeStub("257"),
      "uki-stub",
      "expected systemd-addon to name itself, got systemd-stub",
    ],
  ])("refuses %s", (_, sections, stub, code, message) => {
    expect(() => assemble(sections, stub)).toThrow(message);
    expect(existsSync(join(folder, "debug.addon.efi"))).toBe(false);
    try {
      assemble(sections, stub);
    } catch (error) {
      expect((error as CvmError).code).toBe(code);
    }
  });
});
