import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { HASH_ALGORITHMS, openFileSource } from "@cvm-build/bytes";
import { BOOT_PHASES, phasePaths, type Prediction, predictUkiPhases } from "@cvm-build/measure";
import { assembleUki, readUki, type SectionName } from "@cvm-build/uki";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { makeKernel } from "../../packages/uki/src/pe/pe.fixture.ts";
import { type DebianRoot, debianRoot } from "../support/trixie-root.ts";
import { debianAddonStub, debianStub } from "../support/uki-parts.ts";
import { makeTools } from "../uki/ukify-peer.ts";

/** What `systemd-measure calculate --json` prints: one list of phase paths a bank; the empty path is left out. */
type Calculated = Record<string, { phase?: string; pcr: number; hash: string }[]>;

/**
 * Options of systemd-measure and of ukify, which takes `.sbat` from the stub. Without `--hwids`, which systemd-measure 257
 * hashes under the name `.dtbauto`: a defect of its table of options.
 */
const FLAGS = {
  ".linux": ["--linux", "--linux="],
  ".osrel": ["--osrel", "--os-release=@"],
  ".cmdline": ["--cmdline", "--cmdline=@"],
  ".initrd": ["--initrd", "--initrd="],
  ".ucode": ["--ucode", "--microcode="],
  ".splash": ["--splash", "--splash="],
  ".dtb": ["--dtb", "--devicetree="],
  ".uname": ["--uname", "--uname="],
  ".sbat": ["--sbat", undefined],
  ".pcrpkey": ["--pcrpkey", "--pcrpkey="],
  ".profile": ["--profile", "--profile=@"],
} as const satisfies Partial<Record<SectionName, readonly [measure: string, ukify: string | undefined]>>;
type Measured = keyof typeof FLAGS;
const OPTIONAL = Object.keys(FLAGS).filter((name) => name !== ".linux" && name !== ".sbat") as Measured[];
/** Sections that must be text. */
const TEXTS: ReadonlySet<SectionName> = new Set([".osrel", ".cmdline", ".uname", ".profile"]);

/** Section sets; CVM_PEER_SETS has as many drawn, and ukify make each. */
const SETS = Number(process.env["CVM_PEER_SETS"] ?? 50);
/** Starting ukify takes a second each time. */
const UKIFY_SETS = process.env["CVM_PEER_SETS"] === undefined ? 12 : SETS;
/** Up to the end of a machine's life. */
const PHASES = [...BOOT_PHASES, "shutdown", "final"];

describe("PCR 11 against systemd 257", () => {
  let folder: string;
  let root: DebianRoot | undefined;
  let stub: string | undefined;
  let addonStub: string | undefined;

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "cvm-systemd-measure-"));
    root = debianRoot("trixie", ["systemd-ukify", "systemd"]);
    stub = debianStub("trixie");
    addonStub = debianAddonStub("trixie");
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  it.for(Array.from({ length: SETS }, (_, index) => index))(
    "systemd-measure: section set %i",
    async (seed, { skip }) => {
      if (!root || !stub) return void skip();
      const place = placeOf(seed);
      const image = join(place, "image.efi");
      const sections = [...writeSections(seed, place)].map(([name, path]) => ({
        name,
        content: [openFileSource(path)],
      }));
      assembleUki({ stub: openFileSource(stub), sections, output: image });
      const json = root.run("usr/lib/systemd/systemd-measure", [
        ...["calculate", "--json=short"],
        ...writeMeasured(image, place),
        ...HASH_ALGORITHMS.map((bank) => `--bank=${bank}`),
        // A single colon stands for the path before any phase.
        ...phasePaths(PHASES).map((path) => `--phase=${path || ":"}`),
      ]);
      const calculated = Object.entries(JSON.parse(json) as Calculated).map(([bank, values]) => [
        bank,
        Object.fromEntries(values.map(({ phase = "", hash }) => [phase, hash])),
      ]);
      const phases = await predict(image, PHASES);
      expect(Object.keys(phases.sha256 ?? {})).toHaveLength(7);
      expect(Object.fromEntries(calculated)).toEqual(phases);
    },
  );

  it.for(Array.from({ length: UKIFY_SETS }, (_, index) => index))(
    "ukify --measure: section set %i",
    async (seed, { skip }) => {
      if (!root || !stub) return void skip();
      const place = placeOf(seed);
      const image = join(place, "ukify.efi");
      const flags = [...writeSections(seed, place)].map(([name, path]) => `${FLAGS[name][1]}${path}`);
      // With no other joined to it, an image with a profile is itself one to be joined: ukify leaves `.sbat` out of it.
      const hasProfiles = flags.some((flag) => flag.startsWith("--profile="));
      const text = root.run("usr/bin/ukify", [
        ...["build", `--stub=${stub}`, `--output=${image}`, `--tools=${makeTools(root, folder)}`],
        ...["--measure", `--pcr-banks=${HASH_ALGORITHMS.join(",")}`],
        // Without the option ukify takes the host's.
        ...(flags.some((flag) => flag.startsWith("--os-release=")) ? [] : ["--os-release="]),
        ...flags,
        ...(hasProfiles ? [`--join-profile=${makeProfile(root, { seed, place })}`] : []),
      ]);
      const expected: string[] = [];
      for (const profile of hasProfiles ? [0, 1] : [0]) {
        const phases = await predict(image, BOOT_PHASES, profile);
        const paths = phasePaths(BOOT_PHASES).filter(Boolean);
        expected.push(...paths.flatMap((path) => HASH_ALGORITHMS.map((bank) => `11:${bank}=${phases[bank]?.[path]}`)));
      }
      expect(text.trimEnd().split("\n")).toEqual(expected);
    },
  );

  function placeOf(seed: number): string {
    const place = join(folder, String(seed));
    mkdirSync(place, { recursive: true });
    return place;
  }

  /** A profile that changes the command line, as ukify makes it to join it to an image. */
  function makeProfile(ukify: DebianRoot, { seed, place }: { seed: number; place: string }): string {
    const output = join(place, "profile.efi");
    const profile = writeSection(place, "profile", Buffer.from(`ID=other\nTITLE=Set ${seed}\n`));
    ukify.run("usr/bin/ukify", [
      ...["build", `--stub=${addonStub}`, `--output=${output}`],
      ...[`--profile=@${profile}`, `--cmdline=set=${seed}`, "--os-release="],
    ]);
    return output;
  }
});

/** Writes a set of sections that follows from `seed` alone; the last has them all. */
function writeSections(seed: number, folder: string): Map<Measured, string> {
  const noise = (name: string, sizeBytes: number) => {
    const blocks = Array.from({ length: Math.ceil(sizeBytes / 64) }, (_, index) =>
      createHash("sha512").update(`${seed} ${name} ${index}`).digest(),
    );
    return Buffer.concat(blocks).subarray(0, sizeBytes);
  };
  const chosen = OPTIONAL.filter((name) => seed === SETS - 1 || (noise(name, 1)[0] ?? 0) < 128);
  const contents = chosen.map((name): [Measured, Buffer] => {
    const bytes = noise(name, 1 + noise(`${name} size`, 2).readUInt16LE());
    return [name, TEXTS.has(name) ? Buffer.from(bytes.toString("base64url")) : bytes];
  });
  const all: [Measured, Buffer][] = [[".linux", makeKernel(`6.12.${seed}`)], ...contents];
  return new Map(all.map(([name, bytes]) => [name, writeSection(folder, `input${name}`, bytes)]));
}

/** What an image holds that a stub measures, as systemd-measure is given it. */
function writeMeasured(image: string, folder: string): string[] {
  using source = openFileSource(image);
  const uki = readUki(source);
  return [...uki.base, ...(uki.profiles[0] ?? [])].map(([name, { content }]) => {
    const path = writeSection(folder, `measured${name}`, content.read(0, content.sizeBytes));
    return `${FLAGS[name as Measured][0]}=${path}`;
  });
}

function writeSection(folder: string, name: string, bytes: Uint8Array): string {
  const path = join(folder, name);
  writeFileSync(path, bytes);
  return path;
}

async function predict(image: string, phases: readonly string[], profile = 0): Promise<Prediction["phases"]> {
  using source = openFileSource(image);
  return await predictUkiPhases(source, { banks: HASH_ALGORITHMS, phases, profile });
}
