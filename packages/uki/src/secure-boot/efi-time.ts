import { assert, FormatError, record, u16le, u32le, u8, type ValueOf } from "@cvm-build/bytes";

/**
 * A point in time: 16 bytes. Of an authenticated variable's, all but year to second is zero and it is UTC.
 * @see UEFI Specification, section 8.3, "Time Services", `EFI_TIME`; section 8.2.2
 */
export const EfiTime = record("EFI_TIME", 16, {
  year: [0x00, u16le],
  month: [0x02, u8],
  day: [0x03, u8],
  hour: [0x04, u8],
  minute: [0x05, u8],
  second: [0x06, u8],
  pad1: [0x07, u8],
  nanosecond: [0x08, u32le],
  timeZone: [0x0c, u16le],
  daylight: [0x0e, u8],
  pad2: [0x0f, u8],
});
export type EfiTime = ValueOf<typeof EfiTime>;

const FIRST_YEAR = 1900;
const LAST_YEAR = 9999;

/** A point in time, to the second, as authenticated variables have it. */
export function encodeEfiTime(time: Date): Buffer {
  const year = time.getUTCFullYear();
  assert(year >= FIRST_YEAR && year <= LAST_YEAR, `expected a year ${FIRST_YEAR}..${LAST_YEAR}, got ${year}`);
  return EfiTime.encode({
    year,
    month: time.getUTCMonth() + 1,
    day: time.getUTCDate(),
    hour: time.getUTCHours(),
    minute: time.getUTCMinutes(),
    second: time.getUTCSeconds(),
    pad1: 0,
    nanosecond: 0,
    timeZone: 0,
    daylight: 0,
    pad2: 0,
  });
}

/**
 * Reads the point in time of an authenticated variable.
 * @throws FormatError where it is none, or has parts that must be zero
 */
export function decodeEfiTime(bytes: Uint8Array, offsetBytes = 0): Date {
  const { year, month, day, hour, minute, second, ...mustBeZero } = EfiTime.decode(bytes, offsetBytes);
  const time = new Date(Date.UTC(year, month - 1, day, hour, minute, second));
  const given = Buffer.from(bytes.buffer, bytes.byteOffset + offsetBytes, EfiTime.sizeBytes);
  const isTime = year >= FIRST_YEAR && year <= LAST_YEAR && encodeEfiTime(time).equals(given);
  if (isTime) return time;
  const rest = Object.values(mustBeZero).some((value) => value !== 0) ? ", with parts that must be zero" : "";
  throw new FormatError(
    { record: "EFI_TIME", offsetBytes },
    `expected a point in time to the second, got ${year}-${month}-${day} ${hour}:${minute}:${second}${rest}`,
  );
}
