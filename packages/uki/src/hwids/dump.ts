import type { HwidDevice } from "./description.ts";

/** Devices and their hardware ids as text: one line a device, one an id. */
export function dumpHwids(devices: readonly HwidDevice[]): string {
  return devices
    .map(({ type, name, value, chids }) =>
      [`${type} ${JSON.stringify(name)} -> ${JSON.stringify(value)}\n`, ...chids.map((chid) => `  ${chid}\n`)].join(""),
    )
    .join("");
}
