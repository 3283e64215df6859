const SPACE = 0x20;
const DELETE = 0x7f;
/** The stub of Debian 12 keeps white space in front, that of Debian 13 drops it: seen in boots of both. */
const KEEPS_LEADING_SPACE = 252;
const DROPS_LEADING_SPACE_SINCE = 257;

/**
 * What systemd-stub makes of a `.cmdline` section: text up to the first NUL, each control character turned into a
 * space, white space at the end cut off, and at the start where the version does that.
 * @returns undefined where what the version makes of it is not known: the text is blank or not ASCII, say
 * @see systemd, src/boot/util.c, `mangle_stub_cmdline`
 */
export function mangleCommandLine(section: Uint8Array, stubMajorVersion: number): string | undefined {
  const end = section.indexOf(0);
  const text = end < 0 ? section : section.subarray(0, end);
  if (text.some((byte) => byte > DELETE)) return undefined;
  const spaced = text.map((byte) => (byte === DELETE || byte < SPACE ? SPACE : byte));
  const mangled = Buffer.from(spaced).toString("latin1").trimEnd();
  if (mangled === "") return undefined;
  if (!mangled.startsWith(" ") || stubMajorVersion === KEEPS_LEADING_SPACE) return mangled;
  return stubMajorVersion >= DROPS_LEADING_SPACE_SINCE ? mangled.trimStart() : undefined;
}
