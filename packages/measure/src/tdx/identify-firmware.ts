import type { Guid } from "@cvm-build/bytes";
import { decodeLzma } from "../firmware/lzma.ts";
import { FILE_TYPES, LZMA_SECTION, SECTION_TYPES } from "../firmware/volume-format.ts";
import { readFiles, readFlashVolumes, readSections, readVolume } from "../firmware/volumes.ts";
import type { TdFirmware } from "./td-firmware.ts";

/** TdTcg2Dxe, which offers EFI_CC_MEASUREMENT_PROTOCOL. @see EDK2, OvmfPkg/Tcg/TdTcg2Dxe/TdTcg2Dxe.inf */
const TD_TCG2_DXE: Guid = "f062221e-c607-44c2-b0b4-c3886331d351";
/** What volumes may unpack to; OVMF's are 16 MiB. */
const MAX_UNPACKED_BYTES = 1 << 26;

/**
 * Tells from the modules of OVMF which platform of EDK2 it was built from, which has no phase before memory if it is
 * IntelTdxX64, and whether others can measure into RTMRs.
 * @returns undefined where the firmware is not made as OVMF is
 * @throws FormatError
 */
export async function identifyTdFirmware(
  firmware: Buffer,
): Promise<Required<Pick<TdFirmware, "build" | "measuresCc">> | undefined> {
  for (const volume of readFlashVolumes(firmware)) {
    const packed = readFiles(volume).find(({ type }) => type === FILE_TYPES.volume);
    if (!packed) continue;
    const section = readSections(packed.content).find(({ type }) => type === SECTION_TYPES.guidDefined);
    if (section?.definition !== LZMA_SECTION) return undefined;
    const unpacked = await decodeLzma(section.content, { maxBytes: MAX_UNPACKED_BYTES });
    const inner = readSections(unpacked).filter(({ type }) => type === SECTION_TYPES.volume);
    const files = inner.flatMap(({ content }) => readFiles(readVolume(content)));
    return {
      build: files.some(({ type }) => type === FILE_TYPES.peiCore) ? "OvmfPkgX64" : "IntelTdxX64",
      measuresCc: files.some(({ name }) => name === TD_TCG2_DXE),
    };
  }
  return undefined;
}
