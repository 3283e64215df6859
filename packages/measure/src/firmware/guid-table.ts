import { FormatError, type Guid, guid, record, u16le, type ValueOf } from "@cvm-build/bytes";

/**
 * What follows an entry's data: 18 bytes. The table is read from its end.
 * @see EDK2 `OvmfPkg/ResetVector/Ia16/ResetVectorVtf0.asm`
 */
const GuidTableEntry = record("GuidTableEntry", 18, {
  /** Of data and of this. */
  sizeBytes: [0x00, u16le],
  guid: [0x02, guid],
});
type GuidTableEntry = ValueOf<typeof GuidTableEntry>;

const TABLE_FOOTER: Guid = "96b582de-1fb2-45f7-baea-a366c55a082d";
/** The reset vector, which ends the firmware. */
const RESET_VECTOR_BYTES = 32;

/**
 * Reads the table of GUIDs with which OVMF (and SVSM) tells the VMM where things are.
 * @param firmware the whole file
 * @returns each entry's data by GUID, in lower case; of two with one GUID that which QEMU finds. Empty without a table
 * @throws FormatError
 */
export function readGuidTable(firmware: Buffer): ReadonlyMap<Guid, Buffer> {
  const entries = new Map<Guid, Buffer>();
  const footerOffset = firmware.length - RESET_VECTOR_BYTES - GuidTableEntry.sizeBytes;
  if (footerOffset < 0) return entries;
  const footer = GuidTableEntry.decode(firmware, footerOffset);
  if (footer.guid !== TABLE_FOOTER) return entries;
  const start = entryStart(footer, { offset: footerOffset, lowest: 0 });
  // QEMU leaves alone what is too short for an entry.
  for (let end = footerOffset; end - start >= GuidTableEntry.sizeBytes;) {
    const offset = end - GuidTableEntry.sizeBytes;
    const entry = GuidTableEntry.decode(firmware, offset);
    const dataStart = entryStart(entry, { offset, lowest: start });
    if (!entries.has(entry.guid)) entries.set(entry.guid, firmware.subarray(dataStart, offset));
    end = dataStart;
  }
  return entries;
}

function entryStart(entry: GuidTableEntry, place: { offset: number; lowest: number }): number {
  const room = place.offset + GuidTableEntry.sizeBytes - place.lowest;
  if (entry.sizeBytes >= GuidTableEntry.sizeBytes && entry.sizeBytes <= room) {
    return place.offset + GuidTableEntry.sizeBytes - entry.sizeBytes;
  }
  throw misfit(place.offset, `expected ${GuidTableEntry.sizeBytes} to ${room} bytes, got ${entry.sizeBytes}`);
}

function misfit(offsetBytes: number, expectation: string): FormatError {
  return new FormatError({ record: "GuidTableEntry", field: "sizeBytes", offsetBytes }, expectation);
}
