import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { EV_NO_ACTION, VariableData } from "../eventlog/format.ts";
import { type LoggedEvent, readEventLog } from "../eventlog/reader.ts";

const folder = join(import.meta.dirname, "../../../../../shared/vectors/eventlogs");

/** What was hashed for an event, where the log has it: our rules say what, the log has the digest. */
function measured({ typeName, data }: LoggedEvent): Buffer | undefined {
  switch (typeName) {
    case "EV_EFI_VARIABLE_DRIVER_CONFIG":
    case "EV_EFI_VARIABLE_AUTHORITY":
    case "EV_SEPARATOR":
    case "EV_EFI_ACTION":
    case "EV_EFI_GPT_EVENT":
      return data;
    case "EV_EFI_VARIABLE_BOOT":
      return data.subarray(VariableData.sizeBytes + VariableData.decode(data).nameChars * 2);
    case "EV_IPL": {
      // GRUB hashes a command without what it says in front of it, and without the NUL behind.
      const [, text] = /^(?:grub_cmd|kernel_cmdline): ([^]*)\0$/.exec(data.toString("latin1")) ?? [];
      return text === undefined ? undefined : Buffer.from(text, "latin1");
    }
    default:
      return undefined;
  }
}

describe.skipIf(!existsSync(folder))("what CCELs of real TDs say was measured", () => {
  it.each([
    ["dstack/ccel.bin", 12, 18],
    ["go-eventlog/ccel/CCEL_unpadded.data.bin", 12, 19],
    ["go-eventlog/ccel/event_log.bin", 18, 27],
    ["go-eventlog/ccel/cos-113-intel-tdx.bin.gz", 31, 43],
    ["go-eventlog/ccel/cos-113-intel-tdx-dupe-separator.bin.gz", 31, 43],
    ["go-tdx-guest/ccel_data.dat.gz", 31, 43],
  ])("%s: %i of %i events have the digest of what the rules say", (name, computed, all) => {
    const bytes = readFileSync(join(folder, name));
    const log = readEventLog(name.endsWith(".gz") ? gunzipSync(bytes) : bytes);
    const events = log.events.filter(({ eventType }) => eventType !== EV_NO_ACTION);
    const known = events.flatMap((event) => {
      const content = measured(event);
      return content === undefined ? [] : [{ event, content }];
    });
    expect(known.map(({ content }) => createHash("sha384").update(content).digest("hex"))).toEqual(
      known.map(({ event }) => event.digests.sha384),
    );
    expect([known.length, events.length]).toEqual([computed, all]);
  });
});
