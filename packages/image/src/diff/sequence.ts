/** One step from one list to another. */
export type Step<T> = { kind: "same" | "changed"; a: T; b: T } | { kind: "removed"; a: T } | { kind: "added"; b: T };

/** Above this many pairs, lists are compared place by place. */
const MAX_PAIRS = 1 << 20;

/**
 * What makes one list of events into another: those that both have, in the same order, are paired as many as can be.
 * @param options.key equal for two items that stand for the same thing
 * @param options.isEqual whether two items with the same key are the same
 */
export function diffSequences<T>(
  a: readonly T[],
  b: readonly T[],
  options: { key: (item: T) => string; isEqual: (a: T, b: T) => boolean },
): Step<T>[] {
  const keys = { a: a.map(options.key), b: b.map(options.key) };
  const lengths = commonLengths(keys.a, keys.b);
  const steps: Step<T>[] = [];
  let i = 0;
  let j = 0;
  while (i < a.length || j < b.length) {
    const [left, right] = [a[i], b[j]];
    if (left !== undefined && right !== undefined && keys.a[i] === keys.b[j]) {
      steps.push({ kind: options.isEqual(left, right) ? "same" : "changed", a: left, b: right });
      i++;
      j++;
    } else if (left !== undefined && (right === undefined || lengths(i + 1, j) >= lengths(i, j + 1))) {
      steps.push({ kind: "removed", a: left });
      i++;
    } else if (right !== undefined) {
      steps.push({ kind: "added", b: right });
      j++;
    }
  }
  return steps;
}

/** Length of the longest common subsequence of what is left from each place on. */
function commonLengths(a: readonly string[], b: readonly string[]): (i: number, j: number) => number {
  if (a.length * b.length > MAX_PAIRS) return () => 0;
  const width = b.length + 1;
  const table = new Uint32Array((a.length + 1) * width);
  for (let i = a.length - 1; i >= 0; i--) {
    for (let j = b.length - 1; j >= 0; j--) {
      table[i * width + j] =
        a[i] === b[j]
          ? (table[(i + 1) * width + j + 1] ?? 0) + 1
          : Math.max(table[(i + 1) * width + j] ?? 0, table[i * width + j + 1] ?? 0);
    }
  }
  return (i, j) => (i > a.length || j > b.length ? 0 : (table[i * width + j] ?? 0));
}
