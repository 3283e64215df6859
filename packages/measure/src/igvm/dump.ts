import { createHash } from "node:crypto";
import {
  type DirectiveHeader,
  type InitializationHeader,
  PAGE_DATA_FLAGS,
  PAGE_DATA_TYPES,
  PLATFORM_TYPES,
  type PlatformHeader,
} from "./format.ts";
import type { IgvmFile } from "./reader.ts";

const LARGE_PAGE = 1n << 21n;
const PAGE = 1n << 12n;

/** A file's headers as text, one a line; pages that continue each other in one. */
export function dumpIgvm(igvm: IgvmFile): string {
  const lines = [`IGVM ${igvm.formatVersion}, ${igvm.architecture}`, ...igvm.platforms.map(describePlatform)];
  lines.push(...igvm.initializations.map(describeHeader));
  let pages: PageRun | undefined;
  for (const directive of igvm.directives) {
    const extended = directive.name === "PAGE_DATA" ? pages?.extended(directive) : undefined;
    if (extended) continue;
    if (pages) lines.push(pages.describe());
    pages = directive.name === "PAGE_DATA" ? new PageRun(directive) : undefined;
    if (!pages) lines.push(describeHeader(directive));
  }
  if (pages) lines.push(pages.describe());
  return `${lines.join("\n")}\n`;
}

function describePlatform({ fields }: PlatformHeader): string {
  const { platformType, platformVersion, compatibilityMask, highestVtl, sharedGpaBoundary } = fields;
  const shared = sharedGpaBoundary === 0n ? "" : `, shared from ${hex(sharedGpaBoundary)}`;
  return `platform ${PLATFORM_TYPES[platformType]} ${platformVersion}, mask ${hex(compatibilityMask)}, VTL ${highestVtl}${shared}`;
}

/** The header's name and its fields that are not zero. */
function describeHeader({ name, fields, data }: InitializationHeader | DirectiveHeader): string {
  const shown = Object.entries(fields as Record<string, number | bigint | Buffer>).flatMap(([field, value]) => {
    if (typeof value === "object")
      return value.every((byte) => byte === 0) ? [] : [`${field}=${value.toString("hex")}`];
    return value === 0 || value === 0n || field === "fileOffset" ? [] : [`${field}=${hex(value)}`];
  });
  return [name, ...shown, ...(data ? [`${data.length} bytes ${shortDigest([data])}`] : [])].join(" ");
}

type PageData = DirectiveHeader & { name: "PAGE_DATA" };

/** Pages of one kind that lie one after the other. */
class PageRun {
  readonly #pages: PageData[];

  constructor(first: PageData) {
    this.#pages = [first];
  }

  /** Takes in a page that continues the run; undefined where it does not. */
  extended(next: PageData): this | undefined {
    const last = this.#pages.at(-1)!;
    const isNext =
      last.fields.gpa + sizeOf(last) === next.fields.gpa &&
      last.fields.flags === next.fields.flags &&
      last.fields.dataType === next.fields.dataType &&
      last.fields.compatibilityMask === next.fields.compatibilityMask &&
      (last.data === undefined) === (next.data === undefined);
    if (!isNext) return undefined;
    this.#pages.push(next);
    return this;
  }

  describe(): string {
    const { fields, data } = this.#pages[0]!;
    const flags = Object.entries(PAGE_DATA_FLAGS).filter(([, bit]) => (fields.flags & bit) !== 0);
    return [
      "PAGE_DATA",
      PAGE_DATA_TYPES[fields.dataType],
      `compatibilityMask=${hex(fields.compatibilityMask)}`,
      ...flags.map(([flag]) => flag),
      `${hex(fields.gpa)} x${this.#pages.length}`,
      data ? shortDigest(this.#pages.map((page) => page.data!)) : "no data",
    ].join(" ");
  }
}

function sizeOf({ fields }: PageData): bigint {
  return fields.flags & PAGE_DATA_FLAGS.is2MbPage ? LARGE_PAGE : PAGE;
}

function hex(value: number | bigint): string {
  return `0x${value.toString(16)}`;
}

function shortDigest(parts: readonly Buffer[]): string {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(part);
  return hash.digest("hex").slice(0, 16);
}
