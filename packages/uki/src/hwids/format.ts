import { guid, record, u32le, type ValueOf } from "@cvm-build/bytes";

/**
 * One hardware id of `.hwids` and the device that it stands for: 28 bytes, little-endian. Offsets count from the start
 * of the section and point to text that ends in NUL. An entry of zeros ends the table.
 * @see systemd, src/boot/chid.h, `Device`
 */
export const HwidEntry = record("HwidEntry", 28, {
  descriptor: [0x00, u32le],
  chid: [0x04, guid],
  nameOffset: [0x14, u32le],
  valueOffset: [0x18, u32le],
});
export type HwidEntry = ValueOf<typeof HwidEntry>;

/** The kind of a device stands in the upper four bits of its descriptor, the size of its entry in the others. */
export const DESCRIPTOR_TYPE_SHIFT = 28;

/** What a hardware id chooses: a `.dtbauto` by its `compatible`, or an `.efifw` by its `fwid`. */
export const HWID_TYPES = {
  devicetree: { number: 1, value: "compatible" },
  "uefi-fw": { number: 2, value: "fwid" },
} as const;

/** Kind of device in `.hwids`, as ukify's files name it. */
export type HwidType = keyof typeof HWID_TYPES;
