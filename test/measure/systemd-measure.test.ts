import { createHash } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { HASH_ALGORITHMS, openFileSource } from "@cvm-build/bytes";
import { BOOT_PHASES, predictUkiOnEsp } from "@cvm-build/measure";
import { assembleUki, readUki, type SectionName } from "@cvm-build/uki";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { makeKernel } from "../../packages/uki/src/pe/pe.fixture.ts";
import { type DebianRoot, debianRoot } from "../support/trixie-root.ts";
import { debianStub } from "../support/uki-parts.ts";

/** What `systemd-measure calculate --json` prints: one list of phase paths a bank; the empty path is left out. */
type Calculated = Record<string, { phase?: string; pcr: number; hash: string }[]>;

/** Without `--hwids`, which 257 hashes under the name `.dtbauto`: a defect of its table of options. */
const FLAGS = {
  ".linux": "--linux",
  ".osrel": "--osrel",
  ".cmdline": "--cmdline",
  ".initrd": "--initrd",
  ".ucode": "--ucode",
  ".splash": "--splash",
  ".dtb": "--dtb",
  ".uname": "--uname",
  ".sbat": "--sbat",
  ".pcrpkey": "--pcrpkey",
  ".profile": "--profile",
} as const satisfies Partial<Record<SectionName, string>>;
const OPTIONAL = Object.keys(FLAGS).filter((name) => name !== ".linux" && name !== ".sbat") as (keyof typeof FLAGS)[];
/** Sections that must be text. */
const TEXTS: ReadonlySet<SectionName> = new Set([".osrel", ".cmdline", ".uname", ".profile"]);
const CASES = 24;

describe("PCR 11 against systemd-measure 257", () => {
  let folder: string;
  let root: DebianRoot | undefined;
  let stub: string | undefined;

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "cvm-systemd-measure-"));
    root = debianRoot("trixie", ["systemd-ukify", "systemd"]);
    stub = debianStub("trixie");
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  it.for(Array.from({ length: CASES }, (_, index) => index))("section set %i", async (seed, { skip }) => {
    if (!root || !stub) return void skip();
    const image = join(folder, "image.efi");
    assembleUki({ stub: openFileSource(stub), sections: chooseSections(seed), output: image });
    using source = openFileSource(image);
    const files = [...readUki(source).base].map(([name, { content }]) => {
      const path = join(folder, name);
      writeFileSync(path, content.read(0, content.sizeBytes));
      return `${FLAGS[name as keyof typeof FLAGS]}=${path}`;
    });
    const profile = [...(readUki(source).profiles[0] ?? [])].map(([name, { content }]) => {
      writeFileSync(join(folder, name), content.read(0, content.sizeBytes));
      return `${FLAGS[name as keyof typeof FLAGS]}=${join(folder, name)}`;
    });
    const json = root.run("usr/lib/systemd/systemd-measure", [
      "calculate",
      ...files,
      ...profile,
      ...HASH_ALGORITHMS.map((bank) => `--bank=${bank}`),
      // The four default paths, and the one before any phase.
      ...["", ...[1, 2, 3, 4].map((count) => BOOT_PHASES.slice(0, count).join(":"))].map(
        (path) => `--phase=${path || ":"}`,
      ),
      "--json=short",
    ]);
    const calculated = JSON.parse(json) as Calculated;
    const { phases } = await predictUkiOnEsp(source, {
      banks: HASH_ALGORITHMS,
      phases: [...BOOT_PHASES],
      secureBoot: false,
    });
    for (const bank of HASH_ALGORITHMS) {
      const theirs = calculated[bank]?.map(({ phase = "", hash }) => [phase, hash]) ?? [];
      expect(theirs).toHaveLength(5);
      expect(Object.fromEntries(theirs)).toEqual(phases[bank]);
    }
  });

  /** A set of sections that follows from `seed` alone; the last has them all. */
  function chooseSections(seed: number) {
    const noise = (name: string, sizeBytes: number) => {
      const blocks = Array.from({ length: Math.ceil(sizeBytes / 64) }, (_, index) =>
        createHash("sha512").update(`${seed} ${name} ${index}`).digest(),
      );
      return Buffer.concat(blocks).subarray(0, sizeBytes);
    };
    const chosen = OPTIONAL.filter((name) => seed === CASES - 1 || (noise(name, 1)[0] ?? 0) < 128);
    const contents = chosen.map((name) => {
      const bytes = noise(name, 1 + noise(`${name} size`, 2).readUInt16LE());
      return [name, TEXTS.has(name) ? Buffer.from(bytes.toString("base64url")) : bytes] as const;
    });
    return [[".linux", makeKernel(`6.12.${seed}`)] as const, ...contents].map(([name, bytes]) => {
      const path = join(folder, `input${name}`);
      writeFileSync(path, bytes);
      return { name, content: [openFileSource(path)] };
    });
  }
});
