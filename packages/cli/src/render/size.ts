const UNITS = ["B", "KiB", "MiB", "GiB", "TiB"] as const;

/** A size for people: `49.3 MiB`. */
export function renderSize(sizeBytes: number): string {
  let value = sizeBytes;
  let unit = 0;
  while (value >= 1024 && unit < UNITS.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${unit === 0 ? value : value.toFixed(1)} ${UNITS[unit]}`;
}
