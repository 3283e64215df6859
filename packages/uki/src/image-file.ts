import { closeSync, openSync, rmSync } from "node:fs";
import { borrowedChunksOf, bytesSource, FormatError, writeFully } from "@cvm-build/bytes";
import { ukiError } from "./error.ts";
import { SECTION_FLAGS } from "./pe/format.ts";
import { type PePlan, planPe, roomInPlace } from "./pe/writer.ts";
import type { PlannedSection } from "./requested-sections.ts";
import { UKI_SECTIONS } from "./sections.ts";
import type { Stub } from "./stub.ts";

/** A section of a written image and where its bytes are. */
export interface AssembledSection {
  name: string;
  offsetBytes: number;
  sizeBytes: number;
}

/** An image to be written. */
export interface ImageFile {
  stub: Stub;
  /** In file order. */
  sections: readonly PlannedSection[];
  /** Takes the place of the stub's table where it has one, else is a section of the first part of the image. */
  sbat: Buffer | undefined;
  /** Bits of the optional header that the stub claims and the image must not. */
  clearDllCharacteristics: number;
  /** Path of the file; what was there is replaced. */
  output: string;
}

const ZEROS = Buffer.alloc(4096);

/** How many bytes of SBAT a stub has room for: as many as there are where it has no table of its own. */
export function roomForSbat({ image }: Stub): number {
  const section = image.sections.find(({ name }) => name === ".sbat");
  return section ? roomInPlace(image, section) : Infinity;
}

/**
 * Writes a stub with sections added, streamed, never held in memory.
 * @returns its sections: those added, in file order, then the one replaced in the stub
 * @throws CvmError `uki-stub`, `uki-section` or `uki-output`; nothing is left at `output` then
 */
export function writeImageFile(file: ImageFile): { sizeBytes: number; sections: AssembledSection[] } {
  const { image } = file.stub;
  const inStub = image.sections.find(({ name }) => name === ".sbat");
  const sections = inStub || !file.sbat ? file.sections : withSbat(file.sections, file.sbat);
  const plan = planPe(
    image,
    {
      sections: sections.map(({ name, content }) => ({
        name,
        sizeBytes: content.sizeBytes,
        characteristics:
          SECTION_FLAGS.read + (UKI_SECTIONS[name].code ? SECTION_FLAGS.code : SECTION_FLAGS.initializedData),
      })),
      replacements: new Map(inStub && file.sbat ? [[".sbat", file.sbat]] : []),
    },
    { clearDllCharacteristics: file.clearDllCharacteristics },
  );
  writePlan(file.output, plan, sections);
  const written: AssembledSection[] = plan.sections.map(({ name, offsetBytes, sizeBytes }) => ({
    name,
    offsetBytes,
    sizeBytes,
  }));
  if (inStub) {
    const sizeBytes = file.sbat?.length ?? inStub.virtualSizeBytes;
    written.push({ name: ".sbat", offsetBytes: inStub.pointerToRawData, sizeBytes });
  }
  return { sizeBytes: plan.sizeBytes, sections: written };
}

/** The table goes where its rank is among the sections that all profiles share. */
function withSbat(sections: readonly PlannedSection[], sbat: Buffer): PlannedSection[] {
  const at = sections.findIndex(({ name }) => UKI_SECTIONS[name].fileRank > UKI_SECTIONS[".sbat"].fileRank);
  return sections.toSpliced(at < 0 ? sections.length : at, 0, { name: ".sbat", content: bytesSource(sbat) });
}

function writePlan(output: string, plan: PePlan, sections: readonly PlannedSection[]): void {
  let descriptor: number | undefined;
  try {
    descriptor = openSync(output, "w", 0o644);
    writeFully(descriptor, plan.head);
    for (const [index, { content }] of sections.entries()) {
      for (const chunk of borrowedChunksOf(content)) writeFully(descriptor, chunk);
      writeZeros(descriptor, (plan.sections[index]?.paddedBytes ?? 0) - content.sizeBytes);
    }
    closeSync(descriptor);
  } catch (error) {
    if (descriptor !== undefined) discard(output, descriptor);
    if (error instanceof FormatError) throw error;
    throw ukiError("uki-output", `cannot write image "${output}": ${(error as Error).message}`, { cause: error });
  }
}

function writeZeros(descriptor: number, sizeBytes: number): void {
  for (let left = sizeBytes; left > 0; left -= ZEROS.length) {
    writeFully(descriptor, ZEROS.subarray(0, Math.min(left, ZEROS.length)));
  }
}

function discard(output: string, descriptor: number): void {
  try {
    closeSync(descriptor);
  } finally {
    rmSync(output, { force: true });
  }
}
