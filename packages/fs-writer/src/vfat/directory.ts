import {
  ATTRIBUTE,
  DirectoryEntry,
  LAST_LONG_ENTRY,
  LONG_NAME_ATTRIBUTES,
  LongNameEntry,
  UNITS_PER_ENTRY,
} from "./format.ts";
import { type FatName, shortNameChecksum } from "./names.ts";
import { encodeFatTime } from "./time.ts";

/** What an entry says beside its name. */
export interface EntryFacts {
  attributes: number;
  /** Zero where it has none. */
  cluster: number;
  sizeBytes: number;
  mtimeSec: number;
}

/** How many records of 32 bytes an entry takes: one, and those of its long name. */
export function recordsOf({ name, needsLongName }: FatName): number {
  return 1 + (needsLongName ? Math.ceil(name.length / UNITS_PER_ENTRY) : 0);
}

/** An entry with the parts of its long name in front of it, last part first. */
export function encodeEntry(name: FatName, facts: EntryFacts): Buffer {
  const shortName = Buffer.from(name.shortName, "latin1");
  const parts = recordsOf(name) - 1;
  const records: Buffer[] = [];
  for (let order = parts; order > 0; order--) {
    const units = longNameUnits(name.name, order);
    records.push(
      LongNameEntry.encode({
        order: order === parts ? order | LAST_LONG_ENTRY : order,
        units1: units.subarray(0, 10),
        attributes: LONG_NAME_ATTRIBUTES,
        type: 0,
        checksum: shortNameChecksum(shortName),
        units2: units.subarray(10, 22),
        cluster: 0,
        units3: units.subarray(22),
      }),
    );
  }
  records.push(encodeShortEntry(shortName, facts));
  return Buffer.concat(records);
}

/** `.` and `..`, with which every directory but the root begins. The root counts as cluster zero. */
export function encodeDotEntries(own: EntryFacts, parentCluster: number): Buffer {
  return Buffer.concat([
    encodeShortEntry(Buffer.from(".".padEnd(11)), own),
    encodeShortEntry(Buffer.from("..".padEnd(11)), { ...own, cluster: parentCluster }),
  ]);
}

/** The entry of the root directory that holds the volume's label. */
export function encodeLabelEntry(label: string, mtimeSec: number): Buffer {
  const facts = { attributes: ATTRIBUTE.volumeLabel, cluster: 0, sizeBytes: 0, mtimeSec };
  return encodeShortEntry(Buffer.from(label.padEnd(11), "latin1"), facts);
}

/** A part of a name: 13 code units, what is beyond its end a zero and then ones. */
function longNameUnits(name: string, order: number): Buffer {
  const units = Buffer.alloc(UNITS_PER_ENTRY * 2, 0xff);
  const part = name.slice((order - 1) * UNITS_PER_ENTRY, order * UNITS_PER_ENTRY);
  units.write(part, "utf16le");
  if (part.length < UNITS_PER_ENTRY) units.writeUInt16LE(0, part.length * 2);
  return units;
}

function encodeShortEntry(name: Buffer, { attributes, cluster, sizeBytes, mtimeSec }: EntryFacts): Buffer {
  const { date, time } = encodeFatTime(mtimeSec);
  return DirectoryEntry.encode({
    name,
    attributes,
    caseFlags: 0,
    createHundredths: 0,
    createTime: time,
    createDate: date,
    accessDate: date,
    clusterHigh: cluster >>> 16,
    writeTime: time,
    writeDate: date,
    clusterLow: cluster & 0xffff,
    sizeBytes,
  });
}
