import type { Guid } from "@cvm-build/bytes";
import { type HwidDevice, type HwidFile, parseHwidFile } from "./description.ts";
import { DESCRIPTOR_TYPE_SHIFT, HWID_TYPES, HwidEntry } from "./format.ts";

/**
 * Makes `.hwids` of files that each describe a device, as ukify does: devices in the order of their files, ids and
 * texts sorted, a device that several files describe once.
 * @param files in any order
 * @throws CvmError `uki-section` where one describes no device
 */
export function encodeHwids(files: readonly HwidFile[]): Buffer {
  const ordered = [...files];
  ordered.sort((a, b) => compareParts(a.path.split("/"), b.path.split("/")));
  const devices = mergeDevices(ordered.map(parseHwidFile));
  const entries = devices.reduce((sum, { chids }) => sum + chids.length, 0) + 1;
  const texts = placeTexts(devices, entries * HwidEntry.sizeBytes);
  const encoded = devices.flatMap(({ type, name, value, chids }) =>
    chids.map((chid) =>
      HwidEntry.encode({
        descriptor: HWID_TYPES[type].number * 2 ** DESCRIPTOR_TYPE_SHIFT + HwidEntry.sizeBytes,
        chid,
        nameOffset: texts.offsets.get(name) ?? 0,
        valueOffset: texts.offsets.get(value) ?? 0,
      }),
    ),
  );
  return Buffer.concat([...encoded, Buffer.alloc(HwidEntry.sizeBytes), texts.bytes]);
}

function mergeDevices(devices: readonly HwidDevice[]): HwidDevice[] {
  const merged = new Map<string, { device: HwidDevice; chids: Set<Guid> }>();
  for (const device of devices) {
    const key = JSON.stringify([device.type, device.name, device.value]);
    const known = merged.get(key) ?? { device, chids: new Set() };
    for (const chid of device.chids) known.chids.add(chid);
    merged.set(key, known);
  }
  return [...merged.values()].map(({ device, chids }) => ({ ...device, chids: [...chids].sort() }));
}

function placeTexts(devices: readonly HwidDevice[], start: number): { bytes: Buffer; offsets: Map<string, number> } {
  const texts = [...new Set(devices.flatMap(({ name, value }) => [name, value]))];
  texts.sort(compareText);
  const offsets = new Map<string, number>();
  const encoded = texts.map((text) => Buffer.from(`${text}\0`));
  let offset = start;
  for (const [index, text] of texts.entries()) {
    offsets.set(text, offset);
    offset += encoded[index]?.length ?? 0;
  }
  return { bytes: Buffer.concat(encoded), offsets };
}

/** By folder first: `a/z.json` stands before `a-b/a.json`. */
function compareParts(a: readonly string[], b: readonly string[]): number {
  for (const [index, part] of a.entries()) {
    const other = b[index];
    if (other === undefined) return 1;
    const order = compareText(part, other);
    if (order !== 0) return order;
  }
  return a.length - b.length;
}

/** By code points, which is how UTF-8 sorts. */
function compareText(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}
