import { ukiError } from "./error.ts";
import { sectionContent } from "./content.ts";
import type { PeImage } from "./pe/reader.ts";

/** Largest `.sbat` section that is read; real ones have a few hundred bytes. */
const MAX_SBAT_BYTES = 1 << 16;
/** First line of every SBAT table. @see shim, SBAT.md */
const SBAT_HEADER = "sbat,1,SBAT Version,sbat,1,https://github.com/rhboot/shim/blob/main/SBAT.md";

/** The row by which UKIs, or add-ons, can be revoked as such; the rows that an image has unless others are given. */
export const SBAT_ROWS = {
  uki: "uki,1,UKI,uki,1,https://uapi-group.org/specifications/specs/unified_kernel_image/",
  addon: "uki-addon,1,UKI Addon,addon,1,https://www.freedesktop.org/software/systemd/man/latest/systemd-stub.html",
} as const;

/** The SBAT table of a PE image as text without trailing NULs, or undefined where it has none. */
export function readSbat(image: PeImage): string | undefined {
  const section = image.sections.find(({ name, virtualSizeBytes }) => name === ".sbat" && virtualSizeBytes > 0);
  if (!section) return undefined;
  const content = sectionContent(image.source, section);
  const text = content.read(0, Math.min(content.sizeBytes, MAX_SBAT_BYTES)).toString("utf8");
  return text.replace(/\0+$/, "");
}

/**
 * One SBAT table under one header, as ukify writes it, so that each image can be revoked: the rows of images, then
 * those given.
 * @param images stub first, then the kernel; what is no table counts as none
 */
export function mergeSbat(images: readonly PeImage[], rows: readonly string[]): Buffer {
  const inherited = images.flatMap((image) => rowsOf(readSbat(image) ?? "") ?? []);
  return Buffer.from(`${SBAT_HEADER}\n${[...inherited, ...rows].join("\n")}\n\0`);
}

/**
 * The rows of a SBAT table that a user gives.
 * @throws CvmError `uki-section` where it is none: a row that is not added cannot be revoked
 */
export function parseSbat(text: string): string[] {
  const rows = rowsOf(text.replace(/\0+$/, ""));
  if (rows) return rows;
  throw ukiError(
    "uki-section",
    `cannot add section ".sbat": expected a first line that begins with "sbat,", got ${JSON.stringify(text.slice(0, 80))}`,
    { hint: `begin with ${SBAT_HEADER}` },
  );
}

function rowsOf(text: string): string[] | undefined {
  const [header, ...rows] = text.split(/\r\n|\n|\r/);
  if (rows.at(-1) === "") rows.pop();
  return header?.startsWith("sbat,") ? rows : undefined;
}
