import { measuredSections, type SectionName, type UkiSections } from "@cvm-build/uki";
import { partsOfSection } from "./boot-events.ts";
import type { Addon, FilledBundle } from "./companions.ts";
import { mangleCommandLine } from "./command-line.ts";
import type { DigestReference, Draft } from "./draft.ts";
import type { EventSource } from "./event.ts";
import { utf16WithNul } from "./prediction.ts";
import { encodeStubCpio } from "./stub-cpio.ts";

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
    const digest = draft.hash(partsOfSection(section));
    draft.add({ ...event, label: name, digest });
    if (name === ".initrd") initrd = digest;
  }
  return initrd;
}

/** Adds PCR 12: the command lines of add-ons, joined into one string. */
export function addAddonCommandLine(draft: Draft, commandLine: string | undefined, addons: readonly Addon[]): void {
  if (commandLine === undefined) return;
  draft.add({
    pcr: 12,
    type: "EV_IPL",
    label: commandLine,
    source: { file: addons.map(({ path }) => path).join(" ") },
    digest: utf16WithNul(commandLine),
  });
}

/** The command lines of add-ons as the stub joins them, or undefined where none has one. */
export function addonCommandLine(addons: readonly Addon[], stubMajorVersion: number): string | undefined {
  const lines = addons.flatMap(({ sections }) => {
    const section = sections.get(".cmdline");
    return section ? [mangleCommandLine(section, stubMajorVersion) ?? ""] : [];
  });
  return lines.length === 0 ? undefined : lines.join(" ");
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
export function addAddonContents(draft: Draft, addons: readonly Addon[]): void {
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
