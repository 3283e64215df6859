import { digest } from "@cvm-build/bytes";
import type { MeasuredEvent } from "../event.ts";
import { measureSections, type MrtdPrediction, type PlacedSection } from "../tdx/mrtd.ts";
import { type GuestStep, guestSteps } from "./guest-steps.ts";
import { igvmError } from "./igvm-error.ts";
import type { IgvmFile } from "./reader.ts";

/** TDX has no larger addresses. */
const MAX_GPA = 1n << 52n;

/**
 * MRTD of a TDX guest that is started from an IGVM file: its pages are added in the order of the directives, and their
 * bytes measured unless the file says otherwise; parameters are added alone.
 * @throws CvmError `igvm-launch` where the file is not for TDX
 * @see github.com/microsoft/igvm, `igvm/src/measurement/tdx.rs`
 */
export function predictIgvmMrtd(igvm: IgvmFile): MrtdPrediction {
  const steps = guestSteps(igvm, "TDX").filter(
    ({ directive: { name }, isShared, sizeBytes }) =>
      (name === "PAGE_DATA" || name === "PARAMETER_INSERT") && !isShared && sizeBytes > 0,
  );
  const { mrtd } = measureSections(steps.map(sectionOf), "single");
  return { mrtd, events: steps.map(eventOf) };
}

function sectionOf({ directive, gpa, sizeBytes, isUnmeasured }: GuestStep): PlacedSection {
  if (gpa >= MAX_GPA) throw igvmError("addresses of 52 bits", `0x${gpa.toString(16)}`);
  const content = directive.data ?? Buffer.alloc(0);
  return {
    type: "BFV",
    dataOffset: 0,
    rawDataSizeBytes: content.length,
    memoryAddress: Number(gpa),
    memoryDataSizeBytes: sizeBytes,
    isExtended: !isUnmeasured,
    isAugmented: false,
    content,
  };
}

function eventOf({ directive, gpa, sizeBytes, isUnmeasured, index }: GuestStep): MeasuredEvent {
  const content = directive.data ?? Buffer.alloc(isUnmeasured ? 0 : sizeBytes);
  return {
    register: "mrtd",
    type: undefined,
    label: `${directive.name}, ${sizeBytes} bytes at 0x${gpa.toString(16)}${isUnmeasured ? ": address only" : ""}`,
    digests: isUnmeasured ? {} : { sha384: digest("sha384", content).toString("hex") },
    source: { constant: `IGVM directive ${index}` },
    content: { sizeBytes },
  };
}
