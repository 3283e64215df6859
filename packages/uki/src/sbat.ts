import { sectionContent } from "./content.ts";
import type { PeImage } from "./pe/reader.ts";

/** Largest `.sbat` section that is read; real ones have a few hundred bytes. */
const MAX_SBAT_BYTES = 1 << 16;
/** First line of every SBAT table. @see shim, SBAT.md */
const SBAT_HEADER = "sbat,1,SBAT Version,sbat,1,https://github.com/rhboot/shim/blob/main/SBAT.md";
/** The line that lets UKIs as such be revoked. @see UAPI Unified Kernel Image, "UKI Components", `.sbat` */
const UKI_LINE = "uki,1,UKI,uki,1,https://uapi-group.org/specifications/specs/unified_kernel_image/";

/** The SBAT table of a PE image as text without trailing NULs, or undefined where it has none. */
export function readSbat(image: PeImage): string | undefined {
  const section = image.sections.find(({ name, virtualSizeBytes }) => name === ".sbat" && virtualSizeBytes > 0);
  if (!section) return undefined;
  const content = sectionContent(image.source, section);
  const text = content.read(0, Math.min(content.sizeBytes, MAX_SBAT_BYTES)).toString("utf8");
  return text.replace(/\0+$/, "");
}

/**
 * The SBAT table of a UKI: the rows of its stub, of its kernel and of the UKI itself, under one header, as ukify
 * writes it, so that each can be revoked.
 * @param images stub first, then the kernel
 */
export function mergeSbat(images: readonly PeImage[]): Buffer {
  const rows = images.flatMap((image) => {
    const [header, ...rest] = splitLines(readSbat(image) ?? "");
    return header?.startsWith("sbat,") ? rest : [];
  });
  return Buffer.from(`${SBAT_HEADER}\n${[...rows, UKI_LINE].join("\n")}\n\0`);
}

function splitLines(text: string): string[] {
  const lines = text.split("\n");
  if (lines.at(-1) === "") lines.pop();
  return lines;
}
