import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { bytesSource, openFileSource } from "@cvm-build/bytes";
import {
  assembleAddon,
  assembleUki,
  encodeEfiFirmware,
  encodeHwids,
  readHwidDirectory,
  readUki,
  type SectionInput,
  type SectionName,
  UKI_SECTIONS,
} from "@cvm-build/uki";
import type { DebianRoot } from "../support/trixie-root.ts";

/** A section as both are given it: files, a folder of them, or a text. */
export interface Part {
  name: SectionName;
  /** Paths; a folder for `.hwids` and `.efifw`; the text itself for `.uname`. */
  values: readonly string[];
}

/** What both make an image of. */
export interface Parts {
  stub: string;
  addonStub: string;
  /** An add-on where undefined. */
  kernel: { path: string; release: string } | undefined;
  parts: readonly Part[];
  /** The first is booted unless another is chosen; none: not a multi-profile UKI. */
  profiles: readonly (readonly Part[])[];
  /** PEM of the private key that policies are signed with. */
  policyKey: string | undefined;
}

const FLAGS: Partial<Record<SectionName, (value: string) => string>> = {
  ".osrel": (path) => `--os-release=@${path}`,
  ".cmdline": (path) => `--cmdline=@${path}`,
  ".dtb": (path) => `--devicetree=${path}`,
  ".dtbauto": (path) => `--devicetree-auto=${path}`,
  ".hwids": (path) => `--hwids=${path}`,
  ".uname": (release) => `--uname=${release}`,
  ".splash": (path) => `--splash=${path}`,
  ".pcrpkey": (path) => `--pcrpkey=${path}`,
  ".initrd": (path) => `--initrd=${path}`,
  ".efifw": (path) => `--efifw=${path}`,
  ".ucode": (path) => `--microcode=${path}`,
  ".sbat": (path) => `--sbat=@${path}`,
  ".profile": (path) => `--profile=@${path}`,
};

/** Has ukify make the image, each profile by itself first. */
export function buildWithUkify(ukify: DebianRoot, folder: string, given: Parts): Buffer {
  const output = join(folder, "ukify.efi");
  const [first = [], ...others] = given.profiles;
  const joined = others.map((parts, index) => {
    const path = join(folder, `profile-${index}.efi`);
    ukify.run("usr/bin/ukify", ["build", `--stub=${given.addonStub}`, `--output=${path}`, ...flagsOf(parts)]);
    return `--join-profile=${path}`;
  });
  ukify.run("usr/bin/ukify", [
    "build",
    `--stub=${given.kernel ? given.stub : given.addonStub}`,
    `--output=${output}`,
    ...(given.kernel ? [`--linux=${given.kernel.path}`] : []),
    // Without the option ukify takes the host's.
    ...(given.parts.some(({ name }) => name === ".osrel") ? [] : ["--os-release="]),
    ...flagsOf([...given.parts, ...first]),
    ...joined,
    ...(given.policyKey === undefined
      ? []
      : [`--tools=${makeTools(ukify, folder)}`, `--pcr-private-key=${given.policyKey}`, "--pcr-banks=sha256"]),
  ]);
  return readFileSync(output);
}

function flagsOf(parts: readonly Part[]): string[] {
  return parts.flatMap(({ name, values }) => values.map((value) => FLAGS[name]?.(value) ?? `no flag for ${name}`));
}

/** A folder with systemd-measure in it, which runs with its own libraries. */
export function makeTools(root: DebianRoot, folder: string): string {
  const tools = join(folder, "tools");
  const script = join(tools, "systemd-measure");
  if (existsSync(script)) return tools;
  mkdirSync(tools);
  const command = root.command("usr/lib/systemd/systemd-measure").map((word) => `'${word}'`);
  writeFileSync(script, `#!/bin/sh\nexec ${command.join(" ")} "$@"\n`);
  chmodSync(script, 0o755);
  return tools;
}

/** Makes the same image ourselves, with the signed policies of ukify's: their values are compared by themselves. */
export function buildOurselves(folder: string, given: Parts, theirs: Buffer): { path: string; bytes: Buffer } {
  const path = join(folder, "ours.efi");
  const stub = openFileSource(given.kernel ? given.stub : given.addonStub);
  const sections = given.parts.flatMap(inputsOf);
  if (!given.kernel) {
    assembleAddon({ stub, sections, output: path });
    return { path, bytes: readFileSync(path) };
  }
  sections.push({ name: ".linux", content: [openFileSource(given.kernel.path)] });
  if (!sections.some(({ name }) => name === ".uname")) {
    sections.push({ name: ".uname", content: [bytesSource(Buffer.from(given.kernel.release))] });
  }
  const uki = readUki(bytesSource(theirs));
  const policiesOf = (group: number): SectionInput[] => {
    const section = (given.profiles.length === 0 ? uki.base : uki.profiles[group])?.get(".pcrsig");
    return section ? [{ name: ".pcrsig", content: [section.content] }] : [];
  };
  if (given.profiles.length === 0) sections.push(...policiesOf(0));
  const profiles = given.profiles.map((parts, index) => ({
    sections: [...parts.flatMap(inputsOf), ...policiesOf(index)],
  }));
  assembleUki({ stub, sections, profiles, output: path });
  return { path, bytes: readFileSync(path) };
}

/** Each part of what may repeat is a section of its own. */
function inputsOf({ name, values }: Part): SectionInput[] {
  const content = values.map((value) => {
    if (name === ".uname") return bytesSource(Buffer.from(value));
    if (name === ".hwids") return bytesSource(encodeHwids(readHwidDirectory(value)));
    if (name !== ".efifw") return openFileSource(value);
    const id = value.split("/").at(-1) ?? "";
    return encodeEfiFirmware({ id, payload: openFileSource(join(value, "firmware.bin")) });
  });
  return UKI_SECTIONS[name].repeats ? content.map((one) => ({ name, content: [one] })) : [{ name, content }];
}
