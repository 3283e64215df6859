import { createHash } from "node:crypto";
import { digest, raw, record, u16le, u64le, u8 } from "@cvm-build/bytes";
import type { EventSource, MeasuredEvent } from "../event.ts";
import { PAGE_BYTES } from "../firmware/sev-metadata.ts";

/** Kinds of pages that are added to a guest. @see SEV-SNP Firmware ABI, 8.17.2, "Encodings for the PAGE_TYPE Field" */
const PAGE_TYPES = { NORMAL: 1, VMSA: 2, ZERO: 3, UNMEASURED: 4, SECRETS: 5, CPUID: 6 } as const;
/** The kind of a page that is added to a guest. */
export type PageType = keyof typeof PAGE_TYPES;

/**
 * What is hashed for each page that is added.
 * @see SEV-SNP Firmware ABI, 8.17.2, "Layout of the PAGE_INFO Structure"
 */
const PageInfo = record("PAGE_INFO", 0x70, {
  digestCurrent: [0x00, raw(48)],
  contents: [0x30, raw(48)],
  sizeBytes: [0x60, u16le],
  pageType: [0x62, u8],
  imiPage: [0x63, u8],
  vmplPermissions: [0x64, raw(4)],
  gpa: [0x68, u64le],
});

const NO_PERMISSIONS = Buffer.alloc(4);
const NO_CONTENTS = Buffer.alloc(48);
const ZERO_PAGE = Buffer.alloc(PAGE_BYTES);
const ZERO_PAGE_DIGEST = digest("sha384", ZERO_PAGE);

/** What a launch digest is before any page. */
export const EMPTY_LAUNCH_DIGEST: Buffer = NO_CONTENTS;

/** Pages of one kind and origin that are added one after the other. */
export interface LaunchRegion {
  type: PageType;
  gpa: bigint;
  sizeBytes: number;
  /** What NORMAL and VMSA pages hold; they are zero without it. Of other kinds no contents are hashed. */
  data?: Buffer;
  /** What they are, to a person: `firmware`. */
  name: string;
  source: EventSource;
}

/** A launch digest and what made it. */
export interface Launch {
  /** Lower-case hex: SHA-384 of SEV-SNP; SHA-256 of SEV and SEV-ES. */
  launchDigest: string;
  /** In the order in which they are measured, one for each region. */
  events: MeasuredEvent[];
}

/** The launch digest after more pages. */
export function addRegion(launchDigest: Buffer, region: LaunchRegion): Buffer {
  let current = launchDigest;
  for (let offset = 0; offset < region.sizeBytes; offset += PAGE_BYTES) {
    current = digest(
      "sha384",
      PageInfo.encode({
        digestCurrent: current,
        contents: contentsOf(region, offset),
        sizeBytes: PageInfo.sizeBytes,
        pageType: PAGE_TYPES[region.type],
        imiPage: 0,
        vmplPermissions: NO_PERMISSIONS,
        gpa: region.gpa + BigInt(offset),
      }),
    );
  }
  return current;
}

function contentsOf({ type, data }: LaunchRegion, offset: number): Buffer {
  if (!isHashed(type)) return NO_CONTENTS;
  return data ? digest("sha384", data.subarray(offset, offset + PAGE_BYTES)) : ZERO_PAGE_DIGEST;
}

function isHashed(type: PageType): boolean {
  return type === "NORMAL" || type === "VMSA";
}

/** A region as an event: the digest is that of its bytes, and there is none where only its addresses are measured. */
export function regionEvent(region: LaunchRegion): MeasuredEvent {
  return regionsEvent([region]);
}

/** Regions of one kind that lie one after the other, as one event. */
export function regionsEvent(regions: readonly LaunchRegion[]): MeasuredEvent {
  const [first, last] = [regions[0]!, regions.at(-1)!];
  const sizeBytes = regions.reduce((sum, region) => sum + region.sizeBytes, 0);
  const pages = sizeBytes / PAGE_BYTES;
  const place = first.type === "VMSA" ? "" : `, ${pages} ${pages === 1 ? "page" : "pages"} at 0x${hex(first.gpa)}`;
  const { constant } = first.source;
  const isOne = first.source.constant === last.source.constant;
  return {
    register: "launchDigest",
    type: `PAGE_TYPE_${first.type}`,
    label: `${first.name}${place}`,
    digests: isHashed(first.type) ? { sha384: bytesDigest(regions) } : {},
    source: isOne ? first.source : { constant: `${constant} … ${last.source.constant}` },
    content: { sizeBytes },
  };
}

function bytesDigest(regions: readonly LaunchRegion[]): string {
  const hash = createHash("sha384");
  for (const { data, sizeBytes } of regions) {
    if (data) hash.update(data);
    else for (let offset = 0; offset < sizeBytes; offset += PAGE_BYTES) hash.update(ZERO_PAGE);
  }
  return hash.digest("hex");
}

function hex(value: bigint): string {
  return value.toString(16);
}
