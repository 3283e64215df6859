import { authenticodeRanges, type ByteRange, type UkiSection } from "@cvm-build/uki";
import type { DigestPart } from "./digest-stream.ts";
import type { Draft } from "./draft.ts";
import type { EventSource } from "./event.ts";

/** Event type of a loaded image. @see TCG PC Client Platform Firmware Profile, "Event Types" */
const APPLICATION = "EV_EFI_BOOT_SERVICES_APPLICATION";
/** Stubs up to this version load the kernel through the firmware, which measures it; later ones load it themselves. */
const LAST_STUB_THAT_LOADS_BY_FIRMWARE = 257;

/** Adds the kernel as firmware measures it, where a stub of this version has firmware load it and Secure Boot is off. */
export function addKernelImage(
  draft: Draft,
  kernel: { section: UkiSection; source: EventSource; stubMajorVersion: number },
): void {
  if (kernel.stubMajorVersion > LAST_STUB_THAT_LOADS_BY_FIRMWARE) return;
  const ranges = authenticodeRanges(kernel.section.content);
  draft.add({
    pcr: 4,
    type: APPLICATION,
    label: ".linux",
    source: kernel.source,
    digest: draft.hash(
      ranges.flatMap((range) => partsOfSection(kernel.section, range)),
      { recurs: true },
    ),
  });
}

/** The bytes of a section, or of a stretch of it, as parts of the image's file. */
export function partsOfSection(
  section: UkiSection,
  range: ByteRange = { offsetBytes: 0, sizeBytes: section.sizeBytes },
): DigestPart[] {
  const end = range.offsetBytes + range.sizeBytes;
  const storedEnd = Math.min(end, section.storedBytes);
  const stored = Math.max(0, storedEnd - range.offsetBytes);
  const parts: DigestPart[] = [];
  if (stored > 0) parts.push({ offsetBytes: section.offsetBytes + range.offsetBytes, sizeBytes: stored });
  if (range.sizeBytes > stored) parts.push({ bytes: Buffer.alloc(range.sizeBytes - stored) });
  return parts;
}
