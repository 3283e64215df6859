import { mangleCommandLine } from "../command-line.ts";

/** What a stub makes of the text that is passed to it. */
export interface PassedOptions {
  /** The profile that it chooses, 0 where it chooses none. */
  profile: number;
  /** A command line to use in place of the UKI's own, if Secure Boot lets it; undefined where none is passed. */
  commandLine: string | undefined;
  /** Why this may not be what the stub makes of it. */
  doubt: string | undefined;
}

/** First stub that knows profiles, and that treats a passed command line as it does the UKI's own. */
const PROFILES_SINCE = 257;
const PROFILE = /^@([0-9]{1,10})(?: |$)/;
const MAX_PROFILE = 0xffff_ffff;
const PRINTABLE = /^[ -~]*$/;

/**
 * Reads what is passed to a stub as it does.
 * @see systemd, src/boot/stub.c, `process_arguments`
 */
export function readPassedOptions(text: string | undefined, stubMajorVersion: number): PassedOptions {
  const none = { profile: 0, commandLine: undefined, doubt: undefined };
  // Firmware that fills in bytes of its own is told by the first of them.
  if (text === undefined || text === "" || text.charCodeAt(0) < 0x20) return none;
  const [prefix, number] = (stubMajorVersion >= PROFILES_SINCE && PROFILE.exec(text)) || [];
  const hasProfile = prefix !== undefined && Number(number) <= MAX_PROFILE;
  const rest = hasProfile ? text.slice(prefix.length) : text;
  const mangled = mangleCommandLine(Buffer.from(rest, "utf8"), stubMajorVersion);
  const isPlain = PRINTABLE.test(rest) && (stubMajorVersion >= PROFILES_SINCE || mangled === rest);
  const doubt = `what systemd-stub ${stubMajorVersion} makes of a passed command line with blanks around it, or with characters that are not ASCII text, was not verified`;
  return { profile: hasProfile ? Number(number) : 0, commandLine: mangled, doubt: isPlain ? undefined : doubt };
}
