import { generateKeyPairSync } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { bytesSource, HASH_ALGORITHMS } from "@cvm-build/bytes";
import { BOOT_PHASES, phasePaths, predictUkiPhases, signPcrPolicies } from "@cvm-build/measure";
import { effectiveSections, inspectUki, keySigner, readUki, type SectionName } from "@cvm-build/uki";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { makeDeviceTree } from "../../packages/uki/src/device-tree.fixture.ts";
import { makeKernel } from "../../packages/uki/src/pe/pe.fixture.ts";
import { type DebianRoot, debianRoot } from "../support/trixie-root.ts";
import { debianAddonStub, debianStub } from "../support/uki-parts.ts";
import { choose, noise } from "./seeded.ts";
import { buildOurselves, buildWithUkify, type Part, type Parts } from "./ukify-peer.ts";

/** Whose stubs: of 257 and of 262. */
type Release = "trixie" | "sid";

interface Row {
  release: Release;
  architecture: "amd64" | "arm64";
  kind: "uki" | "addon";
  /** What the image has beside a kernel. Policies are signed where `.pcrsig` is among them. */
  names: SectionName[];
  /** What each profile has beside `.profile`. */
  profiles: SectionName[][];
}

const PACKAGES: Record<Release, string[]> = {
  trixie: ["systemd-ukify", "systemd", "libtss2-esys-3.0.2-0t64", "libtss2-mu-4.0.1-0t64", "libtss2-rc0t64"],
  sid: ["systemd-ukify", "systemd-tpm"],
};
const UKI_PARTS: SectionName[] = [
  ...([".osrel", ".cmdline", ".dtb", ".dtbauto", ".hwids", ".uname", ".splash"] as const),
  ...([".pcrpkey", ".initrd", ".ucode", ".sbat", ".pcrsig"] as const),
];
const ADDON_PARTS: SectionName[] = [".cmdline", ".dtb", ".dtbauto", ".hwids", ".uname", ".initrd", ".ucode", ".sbat"];
/** ukify takes no others out of a profile that it joins. */
const PROFILE_PARTS: SectionName[] = [".osrel", ".cmdline", ".dtb", ".uname", ".splash", ".initrd", ".ucode"];
/** systemd-measure 257 hashes the contents of `--hwids` under the name `.dtbauto`; 262 does not. */
const MISMEASURED_BY_257: SectionName = ".hwids";
/** ukify 257 does not make it; 262 does, and ends `.sbat` without the NUL that it has of 257. */
const UNKNOWN_TO_257: SectionName = ".efifw";

const ROWS: Row[] = [
  ...Array.from({ length: 26 }, (_, seed) => chooseRow(seed, { release: "trixie", architecture: "amd64" })),
  ...Array.from({ length: 4 }, (_, seed) => chooseRow(100 + seed, { release: "trixie", architecture: "arm64" })),
  ...Array.from({ length: 6 }, (_, seed) => chooseRow(200 + seed, { release: "sid", architecture: "amd64" })),
  ...Array.from({ length: 8 }, (_, seed): Row => {
    const names = choose(`addon ${seed}`, ADDON_PARTS);
    // Alone, neither `.uname` nor `.hwids` is anything to add.
    if (!names.includes(".cmdline")) names.push(".cmdline");
    return { release: "trixie", architecture: seed < 6 ? "amd64" : "arm64", kind: "addon", names, profiles: [] };
  }),
];

/** A row that follows from its seed alone. */
function chooseRow(seed: number, where: Pick<Row, "release" | "architecture">): Row {
  const parts = where.release === "sid" ? [...UKI_PARTS, ".efifw" as const] : UKI_PARTS;
  const names = choose(`${seed}`, parts);
  // A policy is signed for a key that the image names, or ukify asks the host's tools for it.
  if (names.includes(".pcrsig") && !names.includes(".pcrpkey")) names.push(".pcrpkey");
  // ukify 257 hands systemd-measure what it measures otherwise than the stub, and so signs other values.
  const signable = names.filter((name) => name !== MISMEASURED_BY_257 && name !== ".dtbauto");
  const count = [0, 0, 2, 3][(noise(`${seed} profiles`, 1)[0] ?? 0) % 4] ?? 0;
  // ukify leaves out a profile's `.osrel` where the image has none that they share.
  const inProfiles = PROFILE_PARTS.filter((name) => name !== ".osrel" || names.includes(name));
  return {
    ...where,
    kind: "uki",
    names: names.includes(".pcrsig") ? signable : names,
    profiles: Array.from({ length: count }, (_, index) => (index === 0 ? [] : choose(`${seed} ${index}`, inProfiles))),
  };
}

describe("section combinations against ukify and systemd-measure", () => {
  let folder: string;
  const { privateKey, publicKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  let roots: Record<Release, DebianRoot | undefined>;
  let stubs: Map<string, { stub: string; addonStub: string }>;

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "cvm-ukify-combinations-"));
    roots = { trixie: debianRoot("trixie", PACKAGES.trixie), sid: debianRoot("sid", PACKAGES.sid) };
    stubs = new Map(
      [...new Set(ROWS.map(placeOf))].flatMap((place) => {
        const [release, architecture] = place.split(" ") as [Release, Row["architecture"]];
        const [stub, addonStub] = [debianStub(release, architecture), debianAddonStub(release, architecture)];
        return stub && addonStub ? [[place, { stub, addonStub }] as const] : [];
      }),
    );
    file("policy.pem", privateKey.export({ type: "pkcs8", format: "pem" }));
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  const file = (name: string, content: Uint8Array | string): string => {
    const path = join(folder, name);
    writeFileSync(path, content);
    return path;
  };

  it("has at least thirty, with every section in some and not in others", () => {
    const titles = new Set(ROWS.map((row) => JSON.stringify(row)));
    expect(titles.size).toBeGreaterThanOrEqual(40);
    for (const name of [...UKI_PARTS, ".efifw" as const]) {
      const having = ROWS.filter(({ names }) => names.includes(name));
      expect([name, having.length >= 2, having.length < ROWS.length]).toEqual([name, true, true]);
    }
    expect(ROWS.filter(({ profiles }) => profiles.length > 0).length).toBeGreaterThanOrEqual(10);
    expect(
      ROWS.filter(({ names, profiles }) => profiles.length > 0 && names.includes(".pcrsig")).length,
    ).toBeGreaterThan(2);
  });

  it.for(ROWS.map((row, index) => [describeRow(row), row, index] as const))("%s", async ([, row, index], { skip }) => {
    const root = row.names.includes(UNKNOWN_TO_257) ? roots.sid : roots.trixie;
    const boot = stubs.get(placeOf(row));
    if (!root || !boot || !roots.sid) return void skip();
    const place = join(folder, String(index));
    mkdirSync(place);
    const machine = row.architecture === "amd64" ? 0x8664 : 0xaa64;
    const release = `6.12.${index}-test`;
    const kernel = { path: file(`${index}/vmlinuz`, makeKernel(release, { coff: { machine } })), release };
    const given: Parts = {
      ...boot,
      kernel: row.kind === "uki" ? kernel : undefined,
      parts: row.names.filter((name) => name !== ".pcrsig").map((name) => makePart(name, String(index))),
      profiles: row.profiles.map((names, profile) =>
        [".profile" as const, ...names].map((name) => makePart(name, `${index}/profile-${profile}`)),
      ),
      policyKey: row.names.includes(".pcrsig") ? join(folder, "policy.pem") : undefined,
    };
    const theirs = buildWithUkify(root, place, given);
    if (root === roots.sid) addSbatNul(theirs);
    const ours = buildOurselves(place, given, theirs);
    const sections = (bytes: Buffer) => readUki(bytesSource(bytes)).pe.sections.map(({ name }) => name);
    expect(sections(ours.bytes)).toEqual(sections(theirs));
    expect(ours.bytes.equals(theirs)).toBe(true);
    expect(inspectUki(bytesSource(theirs)).kind).toBe(row.kind);
    if (row.kind === "uki") await compareMeasurements(theirs, { row, place });
  });

  /** A section's files, that follow from the names alone. */
  function makePart(name: SectionName, prefix: string): Part {
    mkdirSync(join(folder, prefix), { recursive: true });
    const seed = `${prefix} ${name}`;
    const write = (suffix: string, content: Uint8Array | string) => file(`${prefix}/${name}${suffix}`, content);
    const text = `${noise(seed, 30).toString("base64url")} = 1\n`;
    const sizeBytes = 1 + noise(`${seed} size`, 2).readUInt16LE();
    const several = (count: number) =>
      Array.from({ length: count }, (_, part) => write(`.${part}`, noise(`${seed} ${part}`, sizeBytes + part)));
    switch (name) {
      case ".uname":
        return { name, values: [`6.1-${noise(seed, 9).toString("hex")}`] };
      case ".initrd":
        return { name, values: several(1 + (sizeBytes % 3)) };
      case ".dtbauto":
        return {
          name,
          values: ["a", "b"].map((board) => write(`.${board}`, makeDeviceTree([["compatible", `acme,${board}\0`]]))),
        };
      case ".hwids":
        return { name, values: [makeHwids(join(folder, prefix, "hwids"), seed)] };
      case ".efifw":
        return { name, values: ["fw-a", "fw-b"].map((id) => makeFirmware(join(folder, prefix, id), seed)) };
      case ".sbat":
        return { name, values: [1, 2].map((part) => write(`.${part}`, `sbat,1,x\nacme.${part},1,Acme\n`)) };
      case ".profile":
        return { name, values: [write("", `ID=${prefix.replace("/", "-")}\nTITLE="A profile"\n`)] };
      case ".osrel":
      case ".cmdline":
      case ".pcrpkey":
        return {
          name,
          values: [write("", name === ".pcrpkey" ? publicKey.export({ type: "spki", format: "pem" }) : text)],
        };
      default:
        return { name, values: [write("", noise(seed, sizeBytes))] };
    }
  }

  /** What systemd-measure makes of the sections that are booted, for every profile, and what was signed for them. */
  async function compareMeasurements(image: Buffer, { row, place }: { row: Row; place: string }): Promise<void> {
    const uki = readUki(bytesSource(image));
    for (const profile of uki.profiles.length === 0 ? [0] : uki.profiles.keys()) {
      const sections = effectiveSections(uki, profile);
      const measuring: Release = sections.has(MISMEASURED_BY_257) ? "sid" : "trixie";
      const options = [...sections].flatMap(([name, { content }]) => {
        // Never measured, or only where a machine's hardware chooses it.
        if (name === ".pcrsig" || name === ".dtbauto" || name === ".efifw") return [];
        const path = join(place, `measured${name}`);
        writeFileSync(path, content.read(0, content.sizeBytes));
        return [`--${name.slice(1)}=${path}`];
      });
      const calculated = roots[measuring]?.run("usr/lib/systemd/systemd-measure", [
        "calculate",
        ...options,
        ...HASH_ALGORITHMS.map((bank) => `--bank=${bank}`),
        ...phasePaths(BOOT_PHASES).map((path) => `--phase=${path || ":"}`),
        "--json=short",
      ]);
      const theirs = JSON.parse(calculated ?? "{}") as Record<string, { phase?: string; hash: string }[]>;
      const ours = await predictUkiPhases(bytesSource(image), {
        banks: HASH_ALGORITHMS,
        phases: [...BOOT_PHASES],
        profile,
      });
      for (const bank of HASH_ALGORITHMS) {
        expect(Object.fromEntries(theirs[bank]?.map(({ phase = "", hash }) => [phase, hash]) ?? [])).toEqual(
          ours[bank],
        );
      }
      const signed = sections.get(".pcrsig")?.content;
      expect(signed !== undefined).toBe(row.names.includes(".pcrsig"));
      if (!signed) continue;
      const policies = await signPcrPolicies(
        { sha256: ours.sha256 ?? {} },
        { signers: [keySigner(privateKey, "policy.pem")], phasePaths: phasePaths(BOOT_PHASES).slice(1) },
      );
      expect(JSON.parse(signed.read(0, signed.sizeBytes).toString())).toEqual(JSON.parse(policies));
    }
  }
});

function placeOf({ release, architecture }: Row): string {
  return `${release} ${architecture}`;
}

/** The NUL is there, as padding; the size does not count it. */
function addSbatNul(image: Buffer): void {
  const section = readUki(bytesSource(image)).pe.sections.find(({ name }) => name === ".sbat");
  if (section) image.writeUInt32LE(section.virtualSizeBytes + 1, section.headerOffset + 8);
}

function describeRow({ release, architecture, kind, names, profiles }: Row): string {
  const groups = [names, ...profiles.map((more) => [".profile", ...more])];
  return `${release} ${architecture} ${kind}: ${groups.map((group) => group.join(" ") || "nothing").join(" | ")}`;
}

/** A folder of descriptions of devices; some share a name, or ids, or are in folders below. */
function makeHwids(folder: string, seed: string): string {
  const id = (index: number) =>
    noise(`${seed} ${index}`, 16)
      .toString("hex")
      .replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
  mkdirSync(join(folder, "below"), { recursive: true });
  const write = (name: string, hwids: string[], board: string) => {
    const description = { type: "devicetree", name: `Acme ${board}`, compatible: `acme,${board}`, hwids };
    writeFileSync(join(folder, name), JSON.stringify(description));
  };
  write("zeta.json", [id(1), id(2), id(1)], "one");
  write("below/alpha.json", [`{${id(3).toUpperCase()}}`], "two");
  write("below.json", [id(4), id(2)], "one");
  return folder;
}

function makeFirmware(folder: string, seed: string): string {
  mkdirSync(folder);
  writeFileSync(join(folder, "firmware.bin"), noise(`${seed} ${folder.at(-1)}`, 999));
  return folder;
}
