import type { EventLog, LoggedEvent } from "./reader.ts";

/** Logs with more events than this are not searched; real ones have hundreds. */
const MAX_EVENTS = 2048;
/** How many runs are tried. */
const MAX_TRIES = 64;

/**
 * Drops the events that a log holds twice over. Kernels have appended the firmware's final events table to a log that
 * already held its first events; those were extended once. The log alone cannot tell such a run from one that happened
 * twice, so that only the registers decide.
 * @param isRight says whether a log replays to the machine's registers
 * @returns the log with one run of repeated events left out that is right, or undefined where there is none
 */
export function withoutRepeats(log: EventLog, isRight: (log: EventLog) => boolean): EventLog | undefined {
  const { events } = log;
  if (events.length > MAX_EVENTS) return undefined;
  const identities = events.map(identityOf);
  let tries = 0;
  for (let start = events.length - 1; start > 0; start--) {
    for (let count = Math.min(start, events.length - start); count > 0; count--) {
      if (!isRepeated(identities, { start, count })) continue;
      if (tries++ === MAX_TRIES) return undefined;
      const shorter = { ...log, events: events.toSpliced(start, count) };
      if (isRight(shorter)) return shorter;
    }
  }
  return undefined;
}

/** Whether the `count` events from `start` are those before `start`. */
function isRepeated(identities: readonly string[], { start, count }: { start: number; count: number }): boolean {
  for (let index = start; index < start + count; index++) {
    if (identities[index] !== identities[index - count]) return false;
  }
  return true;
}

function identityOf({ register, eventType, digests }: LoggedEvent): string {
  return [register, eventType, ...Object.values(digests)].join();
}
