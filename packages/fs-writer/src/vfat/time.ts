/** A moment as directory entries have it: two 16-bit words, to two seconds, without a time zone. */
export interface FatTime {
  date: number;
  time: number;
}

const FIRST_YEAR = 1980;
const MIN_SEC = Date.UTC(FIRST_YEAR, 0, 1) / 1000;
const MAX_SEC = Date.UTC(2107, 11, 31, 23, 59, 58) / 1000;

/**
 * A time in UTC, rounded down to two seconds. Before 1980 and after 2107 it is the first or last moment that there is.
 * @param sec seconds since 1970
 * @see Microsoft, FAT: General Overview of On-Disk Format 1.03, "Date and Time Formats"
 */
export function encodeFatTime(sec: number): FatTime {
  const moment = new Date(Math.min(Math.max(sec, MIN_SEC), MAX_SEC) * 1000);
  const years = moment.getUTCFullYear() - FIRST_YEAR;
  return {
    date: (years << 9) | ((moment.getUTCMonth() + 1) << 5) | moment.getUTCDate(),
    time: (moment.getUTCHours() << 11) | (moment.getUTCMinutes() << 5) | (moment.getUTCSeconds() >> 1),
  };
}

/** Seconds since 1970 of a time taken as UTC. A month or day of zero, as of an entry without a time, is taken as one. */
export function decodeFatTime({ date, time }: FatTime): number {
  const month = Math.max((date >> 5) & 15, 1);
  const day = Math.max(date & 31, 1);
  const midnight = Date.UTC(FIRST_YEAR + (date >> 9), month - 1, day);
  return midnight / 1000 + (time >> 11) * 3600 + ((time >> 5) & 63) * 60 + (time & 31) * 2;
}
