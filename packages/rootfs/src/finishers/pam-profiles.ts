/** The stacks of PAM that pam-auth-update writes, by the file's suffix, and the fields of a profile that go in. */
export const PAM_STACKS = {
  auth: "Auth",
  account: "Account",
  password: "Password",
  session: "Session",
  "session-noninteractive": "Session",
} as const;
/** A stack by its file's suffix. */
export type PamStack = keyof typeof PAM_STACKS;

/** A profile of /usr/share/pam-configs: fields by name, continuation lines joined by newlines. */
export type PamProfile = Readonly<Record<string, string>>;

const PRIMARY = '# here are the per-package modules (the "Primary" block)';
const PRIMARY_END = "# here's the fallback if no module succeeds";
const ADDITIONAL = '# and here are more per-package modules (the "Additional" block)';
const ADDITIONAL_END = "# end of pam-auth-update config";

/** Parses a profile: `Name: value` lines, and indented ones that go on. */
export function parsePamProfile(text: string): PamProfile {
  const fields: Record<string, string> = {};
  let field = "";
  for (const line of text.split("\n")) {
    const start = /^([A-Za-z-]+):\s*(.*)$/.exec(line);
    if (start) {
      field = start[1]!;
      fields[field] = start[2]!;
    } else if (/^\s+\S/.test(line) && field !== "") {
      fields[field] = fields[field] === "" ? line.trim() : `${fields[field]}\n${line.trim()}`;
    }
  }
  return fields;
}

/**
 * One stack's file: the template with the profiles' lines between its markers, as pam-auth-update writes it.
 * @param profiles those that are enabled, highest priority first
 * @returns undefined where the template lacks a marker
 * @see pam-auth-update(8)
 */
export function formatPamStack(template: string, stack: PamStack, profiles: readonly PamProfile[]): string | undefined {
  const lines = template.split("\n");
  const [primary, primaryEnd] = [indexAfter(lines, PRIMARY), indexAfter(lines, PRIMARY_END)];
  const [additional, additionalEnd] = [indexAfter(lines, ADDITIONAL), indexAfter(lines, ADDITIONAL_END)];
  if (primary === 0 || primaryEnd === 0 || additional === 0 || additionalEnd === 0) return undefined;
  const type = stack === "session-noninteractive" ? "session" : stack;
  const chosen = profiles.filter(
    (profile) => stack !== "session-noninteractive" || profile["Session-Interactive-Only"] !== "yes",
  );
  const primaryLines = blockLines(chosen, { stack, block: "Primary" });
  const withDefault = primaryLines.length > 0 ? primaryLines : ["[default=1]\t\t\tpam_permit.so"];
  return [
    ...lines.slice(0, primary),
    ...withDefault.map((line) => `${type}\t${line}`),
    ...lines.slice(primaryEnd - 1, additional),
    ...blockLines(chosen, { stack, block: "Additional" }).map((line) => `${type}\t${line}`),
    ...lines.slice(additionalEnd - 1),
  ].join("\n");
}

function blockLines(
  profiles: readonly PamProfile[],
  { stack, block }: { stack: PamStack; block: "Primary" | "Additional" },
): string[] {
  const field = PAM_STACKS[stack];
  const taking = profiles.filter((profile) => profile[`${field}-Type`] === block);
  const lines = taking.flatMap((profile, index) => {
    const initial = index === 0 ? profile[`${field}-Initial`] : undefined;
    return (initial ?? profile[field] ?? "").split("\n").filter(Boolean);
  });
  // `end` jumps behind the block; in the last block there is one line less to jump over.
  const total = block === "Additional" ? lines.length - 1 : lines.length;
  return lines.map((line, index) => line.replace(/=end\b/g, `=${total - index}`));
}

/** One more than the index of a line, or 0 where it is missing. */
function indexAfter(lines: string[], line: string): number {
  return lines.indexOf(line) + 1;
}
