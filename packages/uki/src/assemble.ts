import { closeSync, openSync, rmSync } from "node:fs";
import { borrowedChunksOf, type ByteSource, compareCodeUnits, FormatError, writeFully } from "@cvm-build/bytes";
import { joinSources } from "./content.ts";
import { ukiError } from "./error.ts";
import { IMAGE_DLLCHARACTERISTICS_NX_COMPAT, SECTION_FLAGS } from "./pe/format.ts";
import { type PeImage, readPe } from "./pe/reader.ts";
import { type PePlan, planPe, roomInPlace } from "./pe/writer.ts";
import { mergeSbat } from "./sbat.ts";
import { type SectionName, UKI_SECTIONS } from "./sections.ts";
import { readStubVersion } from "./stub.ts";

/** A section to be put into a UKI. */
export interface SectionInput {
  name: SectionName;
  /** Concatenated as they are. Parts that must start at a multiple of four are padded by whoever makes them. */
  content: readonly ByteSource[];
}

/** What a UKI is made of. */
export interface UkiRequest {
  /** systemd-stub, unsigned. */
  stub: ByteSource;
  /** In any order; `UKI_SECTIONS` says where each goes. Without `.sbat`, stub's, kernel's and UKI's rows are merged. */
  sections: readonly SectionInput[];
  /** Path of the file to be written; what was there is replaced. */
  output: string;
}

/** A section of a written UKI and where its bytes are. */
export interface AssembledSection {
  name: string;
  offsetBytes: number;
  sizeBytes: number;
}

/** What was written. */
export interface AssembledUki {
  sizeBytes: number;
  /** Sections that were added, in file order, then those replaced in the stub. */
  sections: AssembledSection[];
  /** Whether `.sbat` is the stub's own because the merged rows do not fit its place. */
  sbat: "given" | "merged" | "stub";
}

const ZEROS = Buffer.alloc(4096);

/**
 * Writes a unified kernel image: the stub with sections added, streamed, never held in memory. Equal inputs give equal
 * bytes, and the same bytes as ukify of systemd 257.
 * @throws CvmError `uki-stub`, `uki-section` or `uki-output`; nothing is left at `output` then
 * @see UAPI Unified Kernel Image, "UKI Components"
 */
export function assembleUki(request: UkiRequest): AssembledUki {
  const image = readStub(request.stub);
  const contents = orderSections(request.sections);
  const kernel = readKernelPe(contents.get(".linux"));
  const sbat = chooseSbat(image, kernel, contents.get(".sbat"));
  contents.delete(".sbat");
  const plan = planPe(
    image,
    {
      sections: [...contents].map(([name, content]) => ({
        name,
        sizeBytes: content.sizeBytes,
        characteristics:
          SECTION_FLAGS.read + (UKI_SECTIONS[name].code ? SECTION_FLAGS.code : SECTION_FLAGS.initializedData),
      })),
      replacements: new Map(sbat.content ? [[".sbat", sbat.content]] : []),
    },
    { clearDllCharacteristics: kernel && !isNxCompatible(kernel) ? IMAGE_DLLCHARACTERISTICS_NX_COMPAT : 0 },
  );
  writePlan(request.output, plan, [...contents.values()]);
  const sections = plan.sections.map(({ name, offsetBytes, sizeBytes }) => ({ name, offsetBytes, sizeBytes }));
  const inStub = image.sections.find(({ name }) => name === ".sbat");
  if (inStub) {
    const sizeBytes = sbat.content?.length ?? inStub.virtualSizeBytes;
    sections.push({ name: ".sbat", offsetBytes: inStub.pointerToRawData, sizeBytes });
  }
  return { sizeBytes: plan.sizeBytes, sections, sbat: sbat.origin };
}

function readStub(stub: ByteSource): PeImage {
  try {
    const image = readPe(stub);
    readStubVersion(image);
    return image;
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    throw ukiError("uki-stub", `cannot use stub: expected systemd-stub, got something else (${error.message})`, {
      hint: "use linuxx64.efi.stub of the package systemd-boot-efi",
      cause: error,
    });
  }
}

function orderSections(sections: readonly SectionInput[]): Map<SectionName, ByteSource> {
  const ordered = [...sections];
  ordered.sort(
    (a, b) => UKI_SECTIONS[a.name].fileRank - UKI_SECTIONS[b.name].fileRank || compareCodeUnits(a.name, b.name),
  );
  const contents = new Map<SectionName, ByteSource>();
  for (const { name, content } of ordered) {
    const [only, ...more] = content;
    const whole = only && more.length === 0 ? only : joinSources(content);
    if (contents.has(name)) {
      throw ukiError("uki-section", `cannot add section "${name}": expected it once, got it twice`);
    }
    if (whole.sizeBytes === 0) {
      throw ukiError("uki-section", `cannot add section "${name}": expected content, got 0 bytes`, {
        hint: "leave the section out: an empty one counts as absent",
      });
    }
    contents.set(name, whole);
  }
  return contents;
}

/** The kernel's headers, or undefined where there is no kernel or it is not an EFI application. */
function readKernelPe(kernel: ByteSource | undefined): PeImage | undefined {
  if (!kernel) return undefined;
  try {
    return readPe(kernel);
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    throw ukiError("uki-kernel", `cannot add section ".linux": expected a kernel that is an EFI application`, {
      hint: "build the kernel with CONFIG_EFI_STUB=y and give its bzImage",
      cause: error,
    });
  }
}

function isNxCompatible(kernel: PeImage): boolean {
  return (kernel.optional.dllCharacteristics & IMAGE_DLLCHARACTERISTICS_NX_COMPAT) !== 0;
}

function chooseSbat(
  image: PeImage,
  kernel: PeImage | undefined,
  given: ByteSource | undefined,
): { content: Buffer | undefined; origin: AssembledUki["sbat"] } {
  const section = image.sections.find(({ name }) => name === ".sbat");
  const room = section ? roomInPlace(image, section) : 0;
  if (given) {
    if (given.sizeBytes > room) {
      throw ukiError(
        "uki-section",
        `cannot replace section ".sbat": expected at most the ${room} bytes that the stub has for it, got ${given.sizeBytes}`,
      );
    }
    return { content: given.read(0, given.sizeBytes), origin: "given" };
  }
  const merged = mergeSbat(kernel ? [image, kernel] : [image]);
  return merged.length <= room ? { content: merged, origin: "merged" } : { content: undefined, origin: "stub" };
}

function writePlan(output: string, plan: PePlan, contents: readonly ByteSource[]): void {
  let descriptor: number | undefined;
  try {
    descriptor = openSync(output, "w", 0o644);
    writeFully(descriptor, plan.head);
    for (const [index, { paddedBytes, sizeBytes }] of plan.sections.entries()) {
      for (const chunk of borrowedChunksOf(contents[index] as ByteSource)) writeFully(descriptor, chunk);
      writeZeros(descriptor, paddedBytes - sizeBytes);
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
