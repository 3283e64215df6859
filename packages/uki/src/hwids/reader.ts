import { FormatError } from "@cvm-build/bytes";
import type { HwidDevice } from "./description.ts";
import { DESCRIPTOR_TYPE_SHIFT, HWID_TYPES, HwidEntry, type HwidType } from "./format.ts";

const TYPES = new Map(Object.entries(HWID_TYPES).map(([type, { number }]) => [number as number, type as HwidType]));

/**
 * Reads `.hwids`: entries up to one of zeros, those of one device in a row joined. Kinds of device that systemd-stub
 * 262 does not know are passed over, as it does.
 * @throws FormatError where the table does not end or a text leaves the section
 */
export function readHwids(bytes: Buffer): HwidDevice[] {
  const devices: HwidDevice[] = [];
  for (let offset = 0; ;) {
    const entry = HwidEntry.decode(bytes, offset);
    if (entry.descriptor === 0) return devices;
    const type = TYPES.get(entry.descriptor >>> DESCRIPTOR_TYPE_SHIFT);
    const sizeBytes = entry.descriptor % 2 ** DESCRIPTOR_TYPE_SHIFT;
    if (sizeBytes < HwidEntry.sizeBytes) {
      throw new FormatError(
        { record: "HwidEntry", field: "descriptor", offsetBytes: offset },
        `expected an entry of at least ${HwidEntry.sizeBytes} bytes, got ${sizeBytes}`,
      );
    }
    if (type !== undefined) {
      const name = readText(bytes, { at: entry.nameOffset, field: "nameOffset", offset });
      const value = readText(bytes, { at: entry.valueOffset, field: "valueOffset", offset });
      addTo(devices, { type, name, value, chids: [entry.chid] });
    }
    offset += sizeBytes;
  }
}

function addTo(devices: HwidDevice[], device: HwidDevice): void {
  const last = devices.at(-1);
  if (last && last.type === device.type && last.name === device.name && last.value === device.value) {
    last.chids.push(...device.chids);
  } else devices.push(device);
}

function readText(bytes: Buffer, place: { at: number; field: string; offset: number }): string {
  const end = bytes.indexOf(0, place.at);
  if (place.at < bytes.length && end >= 0) return bytes.toString("utf8", place.at, end);
  throw new FormatError(
    { record: "HwidEntry", field: place.field, offsetBytes: place.offset },
    `expected text that ends in NUL within ${bytes.length} bytes, got 0x${place.at.toString(16)}`,
  );
}
