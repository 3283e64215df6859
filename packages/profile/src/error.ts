import { CvmError } from "@cvm-build/bytes";
import type { SourcePosition } from "./position.ts";

/** Every way in which a profile can be wrong. */
export type ProfileErrorCode =
  /** No configuration where one was expected, or a file that cannot be read as text. */
  | "profile-missing"
  | "profile-unreadable"
  | "profile-syntax"
  | "profile-unknown-section"
  | "profile-unknown-setting"
  /** The setting exists, in another section. */
  | "profile-misplaced-setting"
  | "profile-unknown-profile"
  | "profile-unknown-specifier"
  | "profile-bad-value"
  /** mkosi has it and cvm-build does not. */
  | "profile-unsupported"
  | "profile-failed-assertion"
  /** A file that mkosi would run on the building machine. */
  | "profile-executable"
  /** A service or an artefact that does not follow its schema. */
  | "profile-bad-declaration"
  /** `after`, `requires` or `Remove=` name what is not there, or services wait for each other. */
  | "profile-bad-reference";

/** What was being done, where, and how it differs from what is right. */
export interface ProfileProblem {
  /** Completes `cannot …`, such as `read setting "Content.Packages"`. */
  cannot: string;
  at: SourcePosition;
  expected: string;
  got: string;
  hint?: string | undefined;
  /** `Section.Name`, or the path inside a YAML document. */
  setting?: string | undefined;
  cause?: unknown;
}

/** Makes the error of a profile that is wrong at one place; its message names file, line and column. */
export function profileError(code: ProfileErrorCode, problem: ProfileProblem): CvmError<ProfileErrorCode> {
  const { cannot, at, expected, got, hint, setting, cause } = problem;
  return new CvmError(code, `cannot ${cannot} at ${formatPosition(at)}: expected ${expected}, got ${got}`, {
    ...(hint === undefined ? {} : { hint }),
    ...(cause === undefined ? {} : { cause }),
    details: { ...at, ...(setting === undefined ? {} : { setting }), expected, found: got },
  });
}

/** Formats a position as compilers do: `file:line:column`, as much of it as is known. */
export function formatPosition({ file, line, column }: SourcePosition): string {
  return [file, line, column].filter((part) => part !== undefined).join(":");
}

/** Quotes foreign text for a message: control characters escaped, long text cut. */
export function quoteText(text: string): string {
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 77)}...` : text);
}
