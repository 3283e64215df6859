/**
 * Whether a version, of QEMU or of OVMF, is another or later. What follows the numbers, such as a distribution's
 * revision, does not count.
 * @param version such as `7.2.22` or `2025.02-8+deb13u1`
 */
export function isAtLeast(version: string, other: string): boolean {
  const [ours, theirs] = [version, other].map(numbersOf);
  for (const [index, number] of (theirs ?? []).entries()) {
    const own = ours?.[index] ?? 0;
    if (own !== number) return own > number;
  }
  return true;
}

function numbersOf(version: string): number[] {
  return (/^[0-9]{1,6}(\.[0-9]{1,6}){0,3}/.exec(version)?.[0] ?? "").split(".").map(Number);
}
