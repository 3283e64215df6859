import { type ByteSource, FormatError, type Sha256Hex, sourceSha256 } from "@cvm-build/bytes";
import { readCompatible } from "./device-tree.ts";
import { readEfiFirmwareId } from "./efi-firmware.ts";
import type { HwidDevice } from "./hwids/description.ts";
import { readHwids } from "./hwids/reader.ts";
import { SECTION_NAMES, type SectionName } from "./sections.ts";
import type { UkiSection } from "./uki.ts";

/** One section of an inspected image. */
export interface InspectedSection extends SectionMeaning {
  name: SectionName;
  offsetBytes: number;
  sizeBytes: number;
  sha256: Sha256Hex;
}

/** What a section that is no text says. */
interface SectionMeaning {
  /** `.dtb`, `.dtbauto`: what the device tree is for. */
  compatible?: string[];
  /** `.hwids`: devices, and what is chosen for each. */
  devices?: HwidDevice[];
  /** `.efifw`: what `.hwids` chooses it by. */
  firmwareId?: string;
  /** Why the section cannot be read as what its name says. */
  problem?: string;
}

/** Largest `.hwids` that is read; each entry has 28 bytes. */
const MAX_HWIDS_BYTES = 1 << 20;

const MEANINGS: Partial<Record<SectionName, (content: ByteSource) => SectionMeaning>> = {
  ".dtb": (content) => ({ compatible: readCompatible(content) }),
  ".dtbauto": (content) => ({ compatible: readCompatible(content) }),
  ".hwids": (content) => ({ devices: readHwids(content.read(0, Math.min(content.sizeBytes, MAX_HWIDS_BYTES))) }),
  ".efifw": (content) => ({ firmwareId: readEfiFirmwareId(content) }),
};

/** Says what sections hold, in the order in which systemd-stub measures them; those of one name as they stand. */
export function inspectSections(sections: readonly UkiSection[]): InspectedSection[] {
  return SECTION_NAMES.flatMap((wanted) =>
    sections
      .filter(({ name }) => name === wanted)
      .map(({ name, offsetBytes, sizeBytes, content }) => ({
        name,
        offsetBytes,
        sizeBytes,
        sha256: sourceSha256(content),
        ...meaningOf(name, content),
      })),
  );
}

/** A damaged section must not keep the others from being seen. */
function meaningOf(name: SectionName, content: ByteSource): SectionMeaning {
  try {
    return MEANINGS[name]?.(content) ?? {};
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    return { problem: error.message };
  }
}
