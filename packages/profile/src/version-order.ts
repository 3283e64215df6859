/** What the specification's rules look at; any other character is skipped. */
const FOREIGN = /^[^a-zA-Z0-9~\-^.]+/;

/**
 * The separators in the order in which they are looked at; the string that alone has one is the older. For `^` the
 * specification's text says newer, its own example and systemd say older: 123^1 comes before 123.1.
 */
const SEPARATORS = ["-", "^", "."] as const;

/**
 * Compares two versions as systemd does.
 * @returns negative, zero or positive as `left` is older, equal or newer
 * @see UAPI Group, Version Format Specification, "Version Comparison"
 */
export function compareVersions(left: string, right: string): number {
  for (;;) {
    left = left.replace(FOREIGN, "");
    right = right.replace(FOREIGN, "");
    const tilde = compareSeparator(left, right, "~");
    if (tilde === "skip") [left, right] = [left.slice(1), right.slice(1)];
    else if (tilde !== 0) return tilde;
    if (left === "" || right === "") return Number(left !== "") - Number(right !== "");
    for (const separator of SEPARATORS) {
      const result = compareSeparator(left, right, separator);
      if (result === "skip") [left, right] = [left.slice(1), right.slice(1)];
      else if (result !== 0) return result;
    }
    const isNumber = /^[0-9]/.test(left) || /^[0-9]/.test(right);
    const run = isNumber ? /^[0-9]*/ : /^[a-zA-Z]*/;
    const [leftRun, rightRun] = [run.exec(left)![0], run.exec(right)![0]];
    const order = isNumber ? compareDigits(leftRun, rightRun) : compareText(leftRun, rightRun);
    if (order !== 0) return order;
    left = left.slice(leftRun.length);
    right = right.slice(rightRun.length);
  }
}

/** Compares by one separator: `skip` where both have it, 0 where neither has. */
function compareSeparator(left: string, right: string, separator: string): number | "skip" {
  const [leftHas, rightHas] = [left.startsWith(separator), right.startsWith(separator)];
  if (leftHas && rightHas) return "skip";
  return Number(rightHas) - Number(leftHas);
}

/** Compares decimal numbers of any length. */
function compareDigits(left: string, right: string): number {
  const [a, b] = [left.replace(/^0+/, ""), right.replace(/^0+/, "")];
  return a.length - b.length || compareText(a, b);
}

function compareText(left: string, right: string): number {
  return left < right ? -1 : left > right ? 1 : 0;
}
