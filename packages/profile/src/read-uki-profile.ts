import { profileError, quoteText } from "./error.ts";
import { type IniSetting, parseIni } from "./ini.ts";
import type { UkiProfile } from "./profile.ts";
import { didYouMean } from "./suggest.ts";
import { parseBoolean } from "./value-kind.ts";
import { splitShellWords } from "./word.ts";

const SETTING_NAMES = ["Profile", "Cmdline", "SignExpectedPcr"];
/** A line of `.profile`. @see UAPI Unified Kernel Image, "Multi-Profile UKIs" */
const FIELD = /^[A-Z][A-Z0-9_]*=./;

/**
 * Reads one profile of a multi-profile UKI.
 * @param file its name for positions and messages
 * @throws CvmError `profile-syntax`, `profile-unknown-section`, `profile-unknown-setting`, `profile-bad-value`
 * @see mkosi(1), "[UKIProfile] Section"
 */
export function parseUkiProfile(text: string, file: string): UkiProfile {
  const profile: UkiProfile = { fields: [], kernelCommandLine: [], signExpectedPcr: true };
  for (const section of parseIni(text, file)) {
    if (section.name !== "UKIProfile") {
      const at = section.position;
      const got = quoteText(section.name);
      throw profileError("profile-unknown-section", { cannot: "read UKI profile", at, expected: "[UKIProfile]", got });
    }
    for (const setting of section.settings) readSetting(profile, setting);
  }
  if (profile.fields.some((field) => field.startsWith("ID="))) return profile;
  throw profileError("profile-bad-value", {
    cannot: "read UKI profile",
    at: { file },
    expected: "Profile= with a line ID=…",
    got: "none",
    hint: "such as Profile=ID=rescue",
  });
}

function readSetting(profile: UkiProfile, { name, position, lines }: IniSetting): void {
  const texts = lines.map((line) => line.text).filter((line) => line !== "");
  const fail = (expected: string, got: string) =>
    profileError("profile-bad-value", {
      cannot: `read setting "UKIProfile.${name}"`,
      at: position,
      expected,
      got: quoteText(got),
      setting: `UKIProfile.${name}`,
    });
  if (name === "Profile") {
    const wrong = texts.find((text) => !FIELD.test(text));
    if (wrong !== undefined) throw fail("lines such as ID=rescue", wrong);
    profile.fields.push(...texts);
  } else if (name === "Cmdline") {
    profile.kernelCommandLine.push(...texts.flatMap((text) => splitShellWords(text, " \n").map((word) => word.text)));
  } else if (name === "SignExpectedPcr") {
    const value = parseBoolean(texts.join(" "));
    if (value === undefined) throw fail("a boolean such as yes or no", texts.join(" "));
    profile.signExpectedPcr = value;
  } else {
    throw profileError("profile-unknown-setting", {
      cannot: `read setting "UKIProfile.${name}"`,
      at: position,
      expected: `one of ${SETTING_NAMES.join(", ")}`,
      got: quoteText(name),
      hint: didYouMean(name, SETTING_NAMES),
    });
  }
}
