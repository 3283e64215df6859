import { type ByteSource, compareCodeUnits } from "@cvm-build/bytes";
import { readUki, type SectionName } from "@cvm-build/uki";
import { readWhole } from "./read-whole.ts";
import type { StubCpioFile } from "./stub-cpio.ts";

/** A file of the EFI system partition that stands beside a UKI. */
export interface EspFile {
  /** From the partition's root, with slashes: `/loader/credentials/a.cred`. */
  path: string;
  content: ByteSource;
}

/** An add-on: a small PE image that brings a command line, microcode or an initrd. */
export interface Addon {
  path: string;
  /** Whether it is for every UKI of the partition. */
  isGlobal: boolean;
  content: ByteSource;
  sections: ReadonlyMap<SectionName, Buffer>;
}

/** A set of files that systemd-stub packs into one archive, measures and appends to the initrd. */
interface Bundle {
  label: string;
  /** Which of the files beside the UKI belong to it. */
  folder: "uki" | "credentials" | "extensions";
  matches: RegExp;
  prefix: string;
  directoryMode: number;
  fileMode: number;
  pcr: 12 | 13;
  /** First and last major version of systemd-stub that makes it so. */
  since: number;
  until?: number;
}

const GLOBAL_ADDONS = "/loader/addons/";
/** Printable ASCII that does not begin with a dot, at most as long as Linux has names. */
const NAME = /^(?!\.)[ -.0-~]{1,255}$/;
const EXTENSION = { directoryMode: 0o555, fileMode: 0o444 } as const;
const SYSEXT = { ...EXTENSION, prefix: ".extra/sysext", pcr: 13 } as const;
const CONFEXT = { ...EXTENSION, prefix: ".extra/confext", pcr: 12 } as const;
const CREDENTIALS = { directoryMode: 0o500, fileMode: 0o400, pcr: 12 } as const;

/**
 * The archives, in the order in which they are made.
 * @see systemd-stub(7), "Companion Files"
 */
const BUNDLES: readonly Bundle[] = [
  {
    label: "Credentials initrd",
    folder: "uki",
    matches: /\.cred$/i,
    since: 252,
    ...CREDENTIALS,
    prefix: ".extra/credentials",
  },
  {
    label: "Global credentials initrd",
    folder: "credentials",
    matches: /\.cred$/i,
    since: 252,
    ...CREDENTIALS,
    prefix: ".extra/global_credentials",
  },
  // Stubs that know no configuration extensions take them for system extensions.
  { label: "System extension initrd", folder: "uki", matches: /\.raw$/i, since: 252, until: 255, ...SYSEXT },
  { label: "System extension initrd", folder: "uki", matches: /(?<!\.confext)\.raw$/i, since: 256, ...SYSEXT },
  {
    label: "Global system extension initrd",
    folder: "extensions",
    matches: /\.sysext\.raw$/i,
    since: 258,
    ...SYSEXT,
    prefix: ".extra/global_sysext",
  },
  { label: "Configuration extension initrd", folder: "uki", matches: /\.confext\.raw$/i, since: 256, ...CONFEXT },
  {
    label: "Global configuration extension initrd",
    folder: "extensions",
    matches: /\.confext\.raw$/i,
    since: 258,
    ...CONFEXT,
    prefix: ".extra/global_confext",
  },
];

/** A bundle with its files, sorted by name as the stub does. */
export interface FilledBundle extends Bundle {
  files: StubCpioFile[];
}

/** The archives that a stub of that version makes of the files beside a UKI, without empty ones. */
export function bundlesOf(
  files: readonly EspFile[],
  options: { ukiPath: string; stubMajorVersion: number },
): FilledBundle[] {
  const { stubMajorVersion } = options;
  const known = BUNDLES.filter(({ since, until = Infinity }) => since <= stubMajorVersion && stubMajorVersion <= until);
  return known.flatMap((bundle) => {
    const members = inFolder(files, folderPath(bundle.folder, options.ukiPath)).filter(({ name }) =>
      bundle.matches.test(name),
    );
    return members.length === 0
      ? []
      : [{ ...bundle, files: members.map(({ name, file }) => ({ name, content: readWhole(file.content) })) }];
  });
}

/**
 * The add-ons beside a UKI in the order in which they are loaded: global ones first, each folder sorted.
 * @throws FormatError where one is no PE image
 */
export function addonsOf(files: readonly EspFile[], ukiPath: string): Addon[] {
  const folders = [GLOBAL_ADDONS, folderPath("uki", ukiPath)];
  return folders.flatMap((folder) =>
    inFolder(files, folder)
      .filter(({ name }) => /\.addon\.efi$/i.test(name))
      .map(({ file }) => {
        const { base } = readUki(file.content);
        const sections = [...base].map(([name, { content }]) => [name, readWhole(content)] as const);
        const isGlobal = folder === GLOBAL_ADDONS;
        return { path: file.path, isGlobal, content: file.content, sections: new Map(sections) };
      }),
  );
}

function folderPath(folder: Bundle["folder"], ukiPath: string): string {
  return folder === "uki" ? `${ukiPath}.extra.d/` : `/loader/${folder}/`;
}

/** Files of a folder that the stub looks at, sorted. FAT knows no case; the stub passes over hidden and odd names. */
function inFolder(files: readonly EspFile[], folder: string): { name: string; file: EspFile }[] {
  const found = files.flatMap((file) => {
    const name = file.path.slice(folder.length);
    const isInside = lowerCase(file.path.slice(0, folder.length)) === lowerCase(folder);
    return isInside && NAME.test(name) ? [{ name, file }] : [];
  });
  found.sort((a, b) => compareCodeUnits(a.name, b.name));
  return found;
}

function lowerCase(path: string): string {
  return path.replace(/[A-Z]/g, (letter) => letter.toLowerCase());
}
