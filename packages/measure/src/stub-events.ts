import { measuredSections, type SectionName, type UkiSections } from "@cvm-build/uki";
import { partsOfSection } from "./boot-events.ts";
import type { Addon, FilledBundle } from "./companions.ts";
import { mangleCommandLine } from "./command-line.ts";
import type { DigestReference, Draft } from "./draft.ts";
import type { EventSource } from "./event.ts";
import { utf16WithNul } from "./prediction.ts";
import { encodeStubCpio } from "./stub-cpio.ts";

/** First stub that measures the command lines of all add-ons as one; those before measure each folder's. */
const JOINS_FOLDERS_SINCE = 256;
/** First stub that takes microcode and initrds from add-ons. */
export const ADDON_CONTENTS_SINCE = 257;

/** Tells where a section's bytes came from. */
export type SourceOf = (section: SectionName) => EventSource;

/**
 * Adds PCR 11: name and content of each section that this stub measures.
 * @returns the digest of `.initrd`, which PCR 9 may go on from
 * @see systemd-stub(7), "TPM PCR Notes"; UAPI Unified Kernel Image, "UKI TPM PCR Measurements"
 */
export function addSections(
  draft: Draft,
  sections: UkiSections,
  options: { stubMajorVersion: number; sourceOf: SourceOf },
): DigestReference | undefined {
  let initrd: DigestReference | undefined;
  for (const name of measuredSections(options.stubMajorVersion)) {
    const section = sections.get(name);
    if (!section) continue;
    const event = { pcr: 11, type: "EV_IPL", source: options.sourceOf(name) };
    draft.add({ ...event, label: `${name} (name)`, digest: Buffer.from(`${name}\0`, "latin1") });
    const digest = draft.hash(partsOfSection(section), { recurs: true });
    draft.add({ ...event, label: name, digest });
    if (name === ".initrd") initrd = digest;
  }
  return initrd;
}

/** Adds PCR 12: the number of a profile that is not the first. @see UAPI Unified Kernel Image, "Multi-Profile UKIs" */
export function addProfile(draft: Draft, profile: number): void {
  if (profile === 0) return;
  const digest = utf16WithNul(String(profile));
  const source = { constant: "chosen profile" };
  draft.add({ pcr: 12, type: "EV_EVENT_TAG", label: `profile ${profile}`, source, digest });
}

/** Adds PCR 12: a command line, or a piece of one, that is not part of the UKI. */
export function addCommandLine(draft: Draft, commandLine: string, source: EventSource): void {
  draft.add({ pcr: 12, type: "EV_IPL", label: commandLine, source, digest: utf16WithNul(commandLine) });
}

/** Text that add-ons add to the command line, measured as one. */
export interface AddonCommandLine {
  text: string;
  /** The add-ons that it is from. */
  files: string[];
}

/** The command lines of add-ons as the stub joins them: all, or in older versions each folder's. */
export function addonCommandLines(addons: readonly Addon[], stubMajorVersion: number): AddonCommandLine[] {
  const folders =
    stubMajorVersion >= JOINS_FOLDERS_SINCE
      ? [addons]
      : [addons.filter(({ isGlobal }) => isGlobal), addons.filter(({ isGlobal }) => !isGlobal)];
  return folders.flatMap((folder) => {
    const lines = folder.flatMap(({ sections }) => {
      const section = sections.get(".cmdline");
      return section ? [mangleCommandLine(section, stubMajorVersion) ?? ""] : [];
    });
    return lines.length === 0 ? [] : [{ text: lines.join(" "), files: folder.map(({ path }) => path) }];
  });
}

/**
 * Adds PCR 12 and 13: the archives that the stub makes of credentials and extensions.
 * @returns the archives, which become part of the initrd
 */
export function addBundles(draft: Draft, bundles: readonly FilledBundle[]): Buffer[] {
  return bundles.map(({ label, pcr, files, ...place }) => {
    const archive = encodeStubCpio(files, place);
    const source = { file: files.map(({ name }) => name).join(" ") };
    draft.add({ pcr, type: "EV_IPL", label, source, digest: archive });
    return archive;
  });
}

/** Adds PCR 12: microcode and initrds that add-ons bring. @see systemd-stub(7), "Companion Files" */
export function addAddonContents(draft: Draft, addons: readonly Addon[], stubMajorVersion: number): void {
  if (stubMajorVersion < ADDON_CONTENTS_SINCE) return;
  for (const name of [".ucode", ".initrd"] as const) {
    const bringing = addons.filter(({ sections }) => sections.has(name));
    for (const { path, sections } of name === ".ucode" ? bringing.toReversed() : bringing) {
      const digest = sections.get(name) ?? Buffer.alloc(0);
      draft.add({
        pcr: 12,
        type: "EV_EVENT_TAG",
        label: `${path} ${name}`,
        source: { file: path, section: name },
        digest,
      });
    }
  }
}
