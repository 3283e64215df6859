import type { ByteSource } from "@cvm-build/bytes";
import { ukiError } from "./error.ts";
import { type AssembledSection, roomForSbat, writeImageFile } from "./image-file.ts";
import { openKernel } from "./kernel/open.ts";
import { machineOf } from "./machine.ts";
import { IMAGE_DLLCHARACTERISTICS_NX_COMPAT } from "./pe/format.ts";
import type { PeImage } from "./pe/reader.ts";
import {
  orderSections,
  type PlannedSection,
  sectionError,
  type SectionInput,
  splitSbat,
} from "./requested-sections.ts";
import { mergeSbat, parseSbat, SBAT_ROWS } from "./sbat.ts";
import { openStub, type Stub } from "./stub.ts";

/** What a UKI is made of. */
export interface UkiRequest {
  /** systemd-stub, unsigned. */
  stub: ByteSource;
  /** In any order; `UKI_SECTIONS` says where each goes. What all profiles share, where there are profiles. */
  sections: readonly SectionInput[];
  /**
   * What can be booted of the image, each a `.profile` section and those that it adds or overrides. The first is booted
   * unless another is chosen. Without any, `.profile` among `sections` makes an image of one profile.
   */
  profiles?: readonly { sections: readonly SectionInput[] }[];
  /** Path of the file to be written; what was there is replaced. */
  output: string;
}

/** What was written. */
export interface AssembledUki {
  sizeBytes: number;
  /** Sections that were added, in file order, then those replaced in the stub. */
  sections: AssembledSection[];
  /** Whether `.sbat` is the stub's own because the merged rows do not fit its place. */
  sbat: "merged" | "stub";
}

/** SBAT rows of an image, and where they are from. */
interface SbatTable {
  content: Buffer | undefined;
  origin: AssembledUki["sbat"];
}

/**
 * Writes a unified kernel image. Equal inputs give equal bytes, and the same bytes as ukify of systemd 257.
 * @throws CvmError `uki-stub`, `uki-section`, `uki-kernel` or `uki-output`; nothing is left at `output` then
 * @see UAPI Unified Kernel Image, "UKI Components" and "Multi-Profile UKIs"
 */
export function assembleUki(request: UkiRequest): AssembledUki {
  const stub = openStub(request.stub, "systemd-stub");
  const { sbatTables, others } = splitSbat(request.sections);
  const groups = [orderSections(others, stub), ...orderProfiles(request, stub)];
  const kernels: PeImage[] = [];
  const sections = groups.flat().map((section): PlannedSection => {
    if (section.name !== ".linux") return section;
    const kernel = openKernelFor(stub, section.content);
    kernels.push(kernel);
    return { ...section, content: kernel.source };
  });
  if (kernels.length === 0) {
    throw ukiError("uki-kernel", `cannot assemble UKI "${request.output}": expected section ".linux", got none`);
  }
  const sbat = chooseSbat(stub, { kernels, tables: sbatTables });
  const written = writeImageFile({
    stub,
    sections,
    sbat: sbat.content,
    clearDllCharacteristics: kernels.every(isNxCompatible) ? 0 : IMAGE_DLLCHARACTERISTICS_NX_COMPAT,
    output: request.output,
  });
  return { ...written, sbat: sbat.origin };
}

function orderProfiles({ sections, profiles = [] }: UkiRequest, stub: Stub): PlannedSection[][] {
  if (profiles.length > 0 && sections.some(({ name }) => name === ".profile")) {
    throw sectionError(".profile", "expected it in profiles alone, got it among what they share");
  }
  return profiles.map((profile) => {
    if (profile.sections.some(({ name }) => name === ".sbat")) {
      throw sectionError(".sbat", "expected it among what profiles share, got it in one of them");
    }
    const ordered = orderSections(profile.sections, stub);
    const marker = ordered.find(({ name }) => name === ".profile");
    if (marker) return [marker, ...ordered.filter((section) => section !== marker)];
    throw sectionError(".profile", "expected it in every profile, got a profile without");
  });
}

function openKernelFor(stub: Stub, content: ByteSource): PeImage {
  const kernel = openKernel(content);
  const [expected, got] = [machineOf(stub.image), machineOf(kernel)];
  if (expected === got) return kernel;
  throw ukiError("uki-kernel", `cannot add section ".linux": expected a kernel for ${expected}, got one for ${got}`, {
    hint: "use kernel and stub of one architecture",
  });
}

function isNxCompatible(kernel: PeImage): boolean {
  return (kernel.optional.dllCharacteristics & IMAGE_DLLCHARACTERISTICS_NX_COMPAT) !== 0;
}

/** Rows that a user gives must be in the image; the UKI's own may be left out where an old stub has no room for them. */
function chooseSbat(stub: Stub, { kernels, tables }: { kernels: PeImage[]; tables: string[] }): SbatTable {
  const rows = tables.length > 0 ? tables.flatMap(parseSbat) : [SBAT_ROWS.uki];
  const merged = mergeSbat([stub.image, ...kernels], rows);
  const room = roomForSbat(stub);
  if (merged.length <= room) return { content: merged, origin: "merged" };
  if (tables.length === 0) return { content: undefined, origin: "stub" };
  throw sectionError(".sbat", `expected at most the ${room} bytes that the stub has for it, got ${merged.length}`);
}
