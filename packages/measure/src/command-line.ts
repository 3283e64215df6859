const SPACE = 0x20;
const DELETE = 0x7f;

/**
 * What systemd-stub makes of a `.cmdline` section: text up to the first NUL, white space at both ends cut off, each
 * control character inside turned into a space.
 * @returns undefined where the text is not ASCII or blank: what the stub does then differs by version
 * @see systemd, src/boot/util.c, `mangle_stub_cmdline`
 */
export function mangleCommandLine(section: Uint8Array): string | undefined {
  const end = section.indexOf(0);
  const text = end < 0 ? section : section.subarray(0, end);
  if (text.some((byte) => byte > DELETE)) return undefined;
  const spaced = text.map((byte) => (byte === DELETE || byte < SPACE ? SPACE : byte));
  const mangled = Buffer.from(spaced).toString("latin1").trim();
  return mangled === "" ? undefined : mangled;
}
