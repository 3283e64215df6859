import { readTdvfMetadata, sectionBytes } from "../firmware/tdvf-metadata.ts";
import { measureSections, type MrtdPrediction } from "./mrtd.ts";
import { encodeEndOfHobList, encodeGceTdHob } from "./td-hob.ts";

/**
 * MRTD as GCE's hypervisor of 2024 took it: the bytes of every section are measured, those of the list of hand-off blocks
 * among them, so that the machine's memory is part of it. Google's endorsements name both this and `predictMrtd`'s.
 * @throws FormatError where the firmware is not for TDX; CvmError `platform`
 * @see gce-tcb-verifier, tdx/mrtd_from_ovmf.go, `LaunchOptionsDefaultTDHOBBug`
 */
export function predictGceMrtdWithTdHob(firmware: Buffer, { memoryBytes }: { memoryBytes: number }): MrtdPrediction {
  const metadata = readTdvfMetadata(firmware);
  const tdHob = Buffer.concat([encodeGceTdHob(metadata, { memoryBytes, earlyAccept: "low" }), encodeEndOfHobList()]);
  const sections = metadata.sections.map((section) => ({
    ...section,
    isExtended: true,
    content: section.type === "TD_HOB" ? tdHob : sectionBytes(firmware, section),
  }));
  return measureSections(sections, "single");
}
