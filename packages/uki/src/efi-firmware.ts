import { bytesSource, type ByteSource, FormatError, record, u32le } from "@cvm-build/bytes";
import { joinSources } from "./content.ts";

/**
 * How `.efifw` begins: 16 bytes, little-endian. The firmware's id follows, ending in NUL, then the firmware.
 * @see systemd, src/boot/efi-firmware.h, `EfiFwHeader`
 */
const EfiFirmwareHeader = record("EfiFirmwareHeader", 16, {
  magic: [0x00, u32le],
  headerBytes: [0x04, u32le],
  idBytes: [0x08, u32le],
  payloadBytes: [0x0c, u32le],
});
const MAGIC = 0xfeed_dead;
/** Ids are names of files. */
const MAX_ID_BYTES = 4096;

/** A firmware that the stub hands over where the hardware matches. */
export interface EfiFirmware {
  /** What a `uefi-fw` of `.hwids` has as its `fwid`. */
  id: string;
  payload: ByteSource;
}

/** Makes `.efifw` of a firmware, as ukify 262 does of a folder by that name with one file in it. */
export function encodeEfiFirmware({ id, payload }: EfiFirmware): ByteSource {
  const idBytes = Buffer.from(`${id}\0`);
  const header = EfiFirmwareHeader.encode({
    magic: MAGIC,
    headerBytes: EfiFirmwareHeader.sizeBytes,
    idBytes: idBytes.length,
    payloadBytes: payload.sizeBytes,
  });
  return joinSources([bytesSource(header), bytesSource(idBytes), payload]);
}

/**
 * Reads the id of the firmware in an `.efifw` section.
 * @throws FormatError where it holds none
 */
export function readEfiFirmwareId(content: ByteSource): string {
  const header = EfiFirmwareHeader.decode(content.read(0, Math.min(content.sizeBytes, EfiFirmwareHeader.sizeBytes)));
  const { magic, headerBytes, idBytes, payloadBytes } = header;
  if (magic !== MAGIC || headerBytes !== EfiFirmwareHeader.sizeBytes) {
    throw new FormatError(
      { record: "EfiFirmwareHeader", field: "magic", offsetBytes: 0 },
      `expected 0x${MAGIC.toString(16)} and ${EfiFirmwareHeader.sizeBytes}, got 0x${magic.toString(16)} and ${headerBytes}`,
    );
  }
  if (idBytes > MAX_ID_BYTES || headerBytes + idBytes + payloadBytes > content.sizeBytes) {
    throw new FormatError(
      { record: "EfiFirmwareHeader", field: "idBytes", offsetBytes: EfiFirmwareHeader.offsetOf("idBytes") },
      `expected id and firmware within ${content.sizeBytes} bytes, got ${idBytes} and ${payloadBytes}`,
    );
  }
  return content.read(headerBytes, idBytes).toString("utf8").split("\0")[0] ?? "";
}
