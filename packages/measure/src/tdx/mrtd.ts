import { createHash, type Hash } from "node:crypto";
import type { MeasuredEvent } from "../event.ts";
import { readTdvfMetadata, sectionBytes, type TdvfSection } from "../firmware/tdvf-metadata.ts";

/**
 * How a VMM adds the pages of a section: each page with its bytes (`single`: KVM of Linux, QEMU since its support for TDX,
 * GCE), or all pages and then all bytes (`two`: KVM and QEMU 8 out of tree, such as Ubuntu's of 24.04).
 */
export type MrtdPasses = "single" | "two";

/** MRTD, with one event for each section of the firmware. */
export interface MrtdPrediction {
  /** SHA-384, lower-case hex. */
  mrtd: string;
  /** For people: MRTD is one digest over all pages, not a fold of the events' digests. */
  events: MeasuredEvent[];
}

const PAGE_BYTES = 4096;
const CHUNK_BYTES = 256;
const EXTENSION_BUFFER_BYTES = 128;
const GPA_OFFSET = 16;
const ZERO_PAGE = Buffer.alloc(PAGE_BYTES);

/**
 * Predicts MRTD: what the TDX module measures of the firmware while the VMM builds the guest. Memory size, number of
 * processors and devices are no part of it.
 * @param firmware the file that the VMM loads: of OVMF code and variables in one (`OVMF.fd`)
 * @throws FormatError where the firmware is not for TDX
 * @see Intel TDX Module Base Architecture Specification, "MRTD: Build-Time Measurement Register"
 */
export function predictMrtd(firmware: Buffer, { passes }: { passes: MrtdPasses }): MrtdPrediction {
  const { sections } = readTdvfMetadata(firmware);
  return measureSections(
    sections.map((section) => ({ ...section, content: sectionBytes(firmware, section) })),
    passes,
  );
}

/** A section with the bytes that it has in the guest; memory beyond them is zero. */
export interface PlacedSection extends TdvfSection {
  content: Buffer;
}

/** Measures sections in their order, as the TDX module does. */
export function measureSections(sections: readonly PlacedSection[], passes: MrtdPasses): MrtdPrediction {
  const hash = createHash("sha384");
  for (const section of sections.filter(({ isAugmented, isExtended }) => isExtended || !isAugmented)) {
    if (passes === "two") {
      for (const page of pagesOf(section)) addPage(hash, section, page.address);
      for (const page of pagesOf(section)) extendPage(hash, section, page);
    } else {
      for (const page of pagesOf(section)) {
        addPage(hash, section, page.address);
        extendPage(hash, section, page);
      }
    }
  }
  return { mrtd: hash.digest("hex"), events: sections.map(eventOf) };
}

interface Page {
  address: number;
  bytes: Buffer;
}

function* pagesOf({ content, memoryAddress, memoryDataSizeBytes }: PlacedSection): Generator<Page> {
  for (let offset = 0; offset < memoryDataSizeBytes; offset += PAGE_BYTES) {
    const bytes = content.subarray(offset, offset + PAGE_BYTES);
    const isWhole = bytes.length === PAGE_BYTES;
    const padded = () => Buffer.concat([bytes, ZERO_PAGE.subarray(bytes.length)]);
    yield { address: memoryAddress + offset, bytes: isWhole ? bytes : bytes.length === 0 ? ZERO_PAGE : padded() };
  }
}

/** @see Intel TDX Module ABI Specification, TDH.MEM.PAGE.ADD */
function addPage(hash: Hash, { isAugmented }: TdvfSection, address: number): void {
  if (!isAugmented) hash.update(extensionBuffer("MEM.PAGE.ADD", address));
}

/** @see Intel TDX Module ABI Specification, TDH.MR.EXTEND */
function extendPage(hash: Hash, { isExtended }: TdvfSection, { address, bytes }: Page): void {
  if (!isExtended) return;
  const chunks = Array.from({ length: PAGE_BYTES / CHUNK_BYTES }, (_, index) => index * CHUNK_BYTES);
  const buffers = chunks.flatMap((offset) => [
    extensionBuffer("MR.EXTEND", address + offset),
    bytes.subarray(offset, offset + CHUNK_BYTES),
  ]);
  hash.update(Buffer.concat(buffers));
}

function extensionBuffer(leaf: "MEM.PAGE.ADD" | "MR.EXTEND", address: number): Buffer {
  const buffer = Buffer.alloc(EXTENSION_BUFFER_BYTES);
  buffer.write(leaf, "latin1");
  buffer.writeBigUInt64LE(BigInt(address), GPA_OFFSET);
  return buffer;
}

function eventOf(section: PlacedSection): MeasuredEvent {
  const { type, memoryAddress, memoryDataSizeBytes, isExtended, isAugmented, content } = section;
  const pages = memoryDataSizeBytes / PAGE_BYTES;
  const place = `${type}, ${pages} pages at 0x${memoryAddress.toString(16)}`;
  const padding = Buffer.alloc(isExtended ? Math.max(memoryDataSizeBytes - content.length, 0) : 0);
  const inMemory = content.subarray(0, memoryDataSizeBytes);
  return {
    register: "mrtd",
    type: undefined,
    label: isExtended ? place : `${place}: ${isAugmented ? "not measured" : "addresses only"}`,
    digests: isExtended ? { sha384: createHash("sha384").update(inMemory).update(padding).digest("hex") } : {},
    source: { constant: `firmware section ${type}` },
  };
}
