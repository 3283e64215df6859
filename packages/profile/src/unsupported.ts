import { CvmError } from "@cvm-build/bytes";
import { formatPosition, type ProfileErrorCode } from "./error.ts";
import type { SourcePosition } from "./position.ts";

/** A setting (or a value of one) that mkosi has and cvm-build does not. */
export interface UnsupportedSetting {
  position: SourcePosition;
  /** `Section.Name`, or `Section.Name=value` where only the value is refused. */
  name: string;
  /** What to do instead, one sentence. */
  useInstead: string;
}

/** Makes the one error that lists all refused settings. */
export function unsupportedError(unsupported: readonly UnsupportedSetting[]): CvmError<ProfileErrorCode> {
  const [first] = unsupported;
  const list = unsupported.map(
    ({ position, name, useInstead }) => `${formatPosition(position)}: ${name}: ${useInstead}`,
  );
  const count = list.length === 1 ? "1 setting" : `${list.length} settings`;
  return new CvmError(
    "profile-unsupported",
    `cannot use ${count} of mkosi: expected settings that cvm-build has, got\n  ${list.join("\n  ")}`,
    {
      hint: "change them as said, or list and skip them with --ignore-unsupported",
      details: { ...first?.position, setting: first?.name, unsupported },
    },
  );
}
