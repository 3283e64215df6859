import { PAGE_BYTES } from "../firmware/sev-metadata.ts";
import { type DirectiveHeader, PAGE_DATA_FLAGS, PLATFORM_TYPES, type PlatformType } from "./format.ts";
import { igvmError } from "./igvm-error.ts";
import type { IgvmFile } from "./reader.ts";

/** A directive that is for the platform, and the pages that it adds to the guest. */
export interface GuestStep {
  /** Place among all directives of the file. */
  index: number;
  directive: DirectiveHeader;
  gpa: bigint;
  /** None where it adds no pages. */
  sizeBytes: number;
  isUnmeasured: boolean;
  /** Visible to the host, and so measured by none but QEMU, which does not look. */
  isShared: boolean;
}

const LARGE_PAGE_BYTES = 1 << 21;

/**
 * The directives of a file that are for a platform, in their order.
 * @throws CvmError `igvm-launch` where the file is not for that platform
 */
export function guestSteps(igvm: IgvmFile, platform: PlatformType): GuestStep[] {
  const found = igvm.platforms.find(({ fields }) => PLATFORM_TYPES[fields.platformType] === platform);
  if (!found) {
    const names = igvm.platforms.map(({ fields }) => PLATFORM_TYPES[fields.platformType]).join(", ");
    throw igvmError(`one for ${platform}`, names || "one for no platform");
  }
  const { compatibilityMask } = found.fields;
  const areas = new Map<number, number>();
  return igvm.directives.flatMap((directive, index) => {
    if (directive.name === "PARAMETER_AREA") {
      areas.set(directive.fields.parameterAreaIndex, Number(directive.fields.sizeBytes));
    }
    const { fields } = directive;
    if ("compatibilityMask" in fields && (fields.compatibilityMask & compatibilityMask) === 0) return [];
    return [{ index, directive, ...extentOf(directive, areas) }];
  });
}

function extentOf(
  directive: DirectiveHeader,
  areas: ReadonlyMap<number, number>,
): Pick<GuestStep, "gpa" | "sizeBytes" | "isUnmeasured" | "isShared"> {
  const nothing = { gpa: 0n, sizeBytes: 0, isUnmeasured: true, isShared: false };
  switch (directive.name) {
    case "PAGE_DATA": {
      const { gpa, flags } = directive.fields;
      return {
        gpa,
        sizeBytes: flags & PAGE_DATA_FLAGS.is2MbPage ? LARGE_PAGE_BYTES : PAGE_BYTES,
        isUnmeasured: (flags & PAGE_DATA_FLAGS.unmeasured) !== 0,
        isShared: (flags & PAGE_DATA_FLAGS.shared) !== 0,
      };
    }
    case "PARAMETER_INSERT": {
      const { gpa, parameterAreaIndex } = directive.fields;
      return { ...nothing, gpa, sizeBytes: areas.get(parameterAreaIndex) ?? 0 };
    }
    case "VP_CONTEXT":
      return { ...nothing, gpa: directive.fields.gpa, sizeBytes: PAGE_BYTES, isUnmeasured: false };
    default:
      return nothing;
  }
}
