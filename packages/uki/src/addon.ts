import type { ByteSource } from "@cvm-build/bytes";
import { ukiError } from "./error.ts";
import { type AssembledSection, writeImageFile } from "./image-file.ts";
import { orderSections, type SectionInput, splitSbat } from "./requested-sections.ts";
import { mergeSbat, parseSbat, SBAT_ROWS } from "./sbat.ts";
import { openStub } from "./stub.ts";

/** What an add-on is made of. */
export interface AddonRequest {
  /** systemd's add-on stub, `addonx64.efi.stub`, unsigned. */
  stub: ByteSource;
  /** In any order: what it adds to a UKI, `.uname` where it is for one kernel alone, `.sbat` where not the usual row. */
  sections: readonly SectionInput[];
  /** Path of the file to be written, such as `debug.addon.efi`; what was there is replaced. */
  output: string;
}

/** What was written. */
export interface AssembledAddon {
  sizeBytes: number;
  /** In file order. */
  sections: AssembledSection[];
}

/** Sections that say when an add-on is for a machine, and are nothing by themselves. */
const CONDITIONS: readonly string[] = [".uname", ".hwids"];

/**
 * Writes an add-on: a PE image that is never run, whose sections systemd-stub adds to those of a UKI. Equal inputs give
 * equal bytes, and the same bytes as ukify of systemd 257.
 * @throws CvmError `uki-stub`, `uki-section` or `uki-output`; nothing is left at `output` then
 * @see UAPI Unified Kernel Image, "PE Addons"
 */
export function assembleAddon(request: AddonRequest): AssembledAddon {
  const stub = openStub(request.stub, "systemd-addon");
  const { sbatTables, others } = splitSbat(request.sections);
  const sections = orderSections(others, stub);
  if (sections.every(({ name }) => CONDITIONS.includes(name))) {
    throw ukiError("uki-section", `cannot assemble add-on "${request.output}": expected something to add, got nothing`);
  }
  // A stub of an add-on has no rows of its own that count: it is never run.
  const sbat = mergeSbat([], sbatTables.length > 0 ? sbatTables.flatMap(parseSbat) : [SBAT_ROWS.addon]);
  return writeImageFile({ stub, sections, sbat, clearDllCharacteristics: 0, output: request.output });
}
