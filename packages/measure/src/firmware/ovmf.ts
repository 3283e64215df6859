import { bytesSource, type Guid } from "@cvm-build/bytes";
import { readPe } from "@cvm-build/uki";
import type { Code } from "./code-search.ts";
import { decodeLzma } from "./lzma.ts";
import { FILE_TYPES, LZMA_SECTION, SECTION_TYPES } from "./volume-format.ts";
import {
  type FirmwareFile,
  type FirmwareVolume,
  readFiles,
  readFlashVolumes,
  readSections,
  readVolume,
} from "./volumes.ts";

/** A module that firmware runs before it has memory of its own, or soon after. */
export interface PeiModule {
  name: Guid;
  /** Its image in the volume. */
  code: Code;
  /** COFF machine type. */
  machine: number;
  /** Where the volume lies in memory when the module runs in it; undefined for one that is made to run elsewhere. */
  volumeAddress: number | undefined;
}

/** The two volumes that OVMF unpacks into memory, and runs. */
export interface OvmfVolumes {
  /** Of the phase before memory. */
  pei: FirmwareVolume;
  /** Of the phase of drivers. */
  dxe: FirmwareVolume;
  /** In the order of the volume. */
  modules: PeiModule[];
}

/** What volumes may unpack to; OVMF's are 16 MiB. */
const MAX_UNPACKED_BYTES = 1 << 26;

/**
 * Unpacks the volumes of OVMF as its first code does: the first file that holds volumes, and of it the first two.
 * @param flash what QEMU loads: all of it, or without the part for variables
 * @returns undefined where the firmware is not made that way
 * @throws FormatError
 */
export async function unpackOvmf(flash: Buffer): Promise<OvmfVolumes | undefined> {
  for (const volume of readFlashVolumes(flash)) {
    const packed = readFiles(volume).find(({ type }) => type === FILE_TYPES.volume);
    if (!packed) continue;
    const section = readSections(packed.content).find(({ type }) => type === SECTION_TYPES.guidDefined);
    if (section?.definition !== LZMA_SECTION) return undefined;
    const unpacked = await decodeLzma(section.content, { maxBytes: MAX_UNPACKED_BYTES });
    const inner = readSections(unpacked).filter(({ type }) => type === SECTION_TYPES.volume);
    const [pei, dxe] = inner.slice(0, 2).map(({ content }) => readVolume(content));
    return pei && dxe && { pei, dxe, modules: readModules(pei) };
  }
  return undefined;
}

function readModules(pei: FirmwareVolume): PeiModule[] {
  return readFiles(pei)
    .filter(({ type }) => type === FILE_TYPES.peiCore || type === FILE_TYPES.peim)
    .flatMap((file) => readModule(pei, file) ?? []);
}

/** A module whose image is a PE one; others there are, which OVMF has not. */
function readModule(pei: FirmwareVolume, file: FirmwareFile): PeiModule | undefined {
  const image = readSections(file.content).find(({ type }) => type === SECTION_TYPES.pe32);
  if (!image) return undefined;
  const start = file.contentOffset + image.contentOffset;
  const { coff, optional } = readPe(bytesSource(image.content));
  const address = Number(optional.imageBase) - start;
  const volumeAddress = address > 0 && address < 2 ** 32 ? address : undefined;
  const code = { volume: pei.bytes, start, end: start + image.content.length };
  return { name: file.name, code, machine: coff.machine, volumeAddress };
}
