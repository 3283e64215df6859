/** Says whether a text is a glob: whether it has `*`, `?` or `[`. */
export function isGlob(text: string): boolean {
  return /[*?[]/.test(text);
}

/**
 * The regular expression of a glob that must match a whole name.
 * @see fnmatch(3); `/` and a leading `.` have no special meaning here
 */
export function globToRegExp(glob: string): RegExp {
  const tokens = glob.match(/\*+|\?|\[[!^]?\]?[^\]]*\]|[^]/g) ?? [];
  const parts = tokens.map((token) => {
    if (token.startsWith("*")) return ".*";
    if (token === "?") return ".";
    if (token.length > 1)
      return `[${token
        .slice(1, -1)
        .replace(/^[!^]/, "^")
        .replace(/[\\[\]]/g, "\\$&")}]`;
    return token.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&");
  });
  return new RegExp(`^${parts.join("")}$`, "s");
}
