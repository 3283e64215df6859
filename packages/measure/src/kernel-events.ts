import { paddingTo } from "@cvm-build/bytes";
import type { SectionName, UkiSections } from "@cvm-build/uki";
import { partsOfSection } from "./boot-events.ts";
import type { Addon } from "./companions.ts";
import type { DigestPart } from "./digest-stream.ts";
import type { DigestReference, Draft } from "./draft.ts";
import type { EventSource } from "./event.ts";
import { utf16WithNul } from "./prediction.ts";
import { readWhole } from "./read-whole.ts";
import { encodeStubCpio } from "./stub-cpio.ts";
import { ADDON_CONTENTS_SINCE, type SourceOf } from "./stub-events.ts";

/**
 * Files that the stub makes of sections and appends to the initrd, in this order.
 * @see systemd-stub(7), "Initrd Resources"
 */
const GENERATED: readonly { section: SectionName; name: string; since: number }[] = [
  { section: ".pcrsig", name: "tpm2-pcr-signature.json", since: 252 },
  { section: ".pcrpkey", name: "tpm2-pcr-public-key.pem", since: 252 },
  { section: ".osrel", name: "os-release", since: 257 },
  { section: ".profile", name: "profile", since: 257 },
];
/** First stub that hands microcode on, in front of the initrd. */
const UCODE_SINCE = 256;

/** One of the pieces of which the stub makes the initrd. */
interface InitrdPiece {
  sizeBytes: number;
  parts: DigestPart[];
}

/** Adds PCR 9: the command line as the kernel's EFI stub gets it. @see Linux, drivers/firmware/efi/libstub */
export function addLoadOptions(draft: Draft, commandLine: string, source: EventSource): void {
  draft.add({
    pcr: 9,
    type: "EV_EVENT_TAG",
    label: "LOADED_IMAGE::LoadOptions",
    source,
    digest: utf16WithNul(commandLine),
  });
}

/** Adds PCR 9: the initrd that the stub hands to the kernel, if there is one. */
export function addInitrd(
  draft: Draft,
  sections: UkiSections,
  options: {
    stubMajorVersion: number;
    sourceOf: SourceOf;
    archives: readonly Buffer[];
    addons: readonly Addon[];
    /** The digest of `.initrd` in PCR 11. */
    initrd: DigestReference | undefined;
  },
): void {
  const pieces = piecesOf(sections, options);
  if (pieces.length === 0) return;
  const padded = pieces.map(({ sizeBytes, parts }) => {
    const padding = pieces.length === 1 ? 0 : paddingTo(sizeBytes, 4);
    return padding === 0 ? parts : [...parts, { bytes: Buffer.alloc(padding) }];
  });
  const section = sections.get(".initrd");
  const isFirst = section !== undefined && options.initrd !== undefined && !hasUcode(sections, options);
  const known = isFirst ? partsOfSection(section).length : 0;
  const parts = padded.flat().slice(known);
  draft.add({
    pcr: 9,
    type: "EV_EVENT_TAG",
    label: "Linux initrd",
    source: options.sourceOf(".initrd"),
    digest: isFirst && options.initrd ? draft.continue(options.initrd, parts) : draft.hash(parts),
  });
}

function piecesOf(
  sections: UkiSections,
  options: { stubMajorVersion: number; archives: readonly Buffer[]; addons: readonly Addon[] },
): InitrdPiece[] {
  const addons = options.stubMajorVersion >= ADDON_CONTENTS_SINCE ? options.addons : [];
  const fromAddons = (name: SectionName) =>
    addons.flatMap((addon) => {
      const bytes = addon.sections.get(name);
      return bytes ? [pieceOfBytes(bytes)] : [];
    });
  const fromSection = (name: SectionName) => {
    const section = sections.get(name);
    return section ? [{ sizeBytes: section.sizeBytes, parts: partsOfSection(section) }] : [];
  };
  const generated = GENERATED.filter(({ since }) => since <= options.stubMajorVersion).flatMap((file) => {
    const content = sections.get(file.section)?.content;
    if (!content) return [];
    const place = { prefix: ".extra", directoryMode: 0o555, fileMode: 0o444 };
    return [pieceOfBytes(encodeStubCpio([{ name: file.name, content: readWhole(content) }], place))];
  });
  return [
    ...(options.stubMajorVersion >= UCODE_SINCE
      ? [...fromAddons(".ucode").toReversed(), ...fromSection(".ucode")]
      : []),
    ...fromSection(".initrd"),
    ...options.archives.map(pieceOfBytes),
    ...generated,
    ...fromAddons(".initrd"),
  ];
}

function hasUcode(sections: UkiSections, options: { stubMajorVersion: number; addons: readonly Addon[] }): boolean {
  if (options.stubMajorVersion < UCODE_SINCE) return false;
  return sections.has(".ucode") || options.addons.some((addon) => addon.sections.has(".ucode"));
}

function pieceOfBytes(bytes: Uint8Array): InitrdPiece {
  return { sizeBytes: bytes.byteLength, parts: [{ bytes }] };
}
