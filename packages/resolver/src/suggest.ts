import { compareCodeUnits } from "@cvm-build/bytes";

const MAX_SUGGESTIONS = 5;
const MAX_EDITS = 3;

/** The names that a misspelt one may have meant, nearest first: at most three edits away, or one that it begins. */
export function suggestNames(wrong: string, names: Iterable<string>): string[] {
  const near: { name: string; edits: number }[] = [];
  const limit = Math.min(MAX_EDITS, Math.ceil(wrong.length / 3));
  for (const name of names) {
    const edits = countEdits(wrong, name, { limit });
    if (edits <= limit) near.push({ name, edits });
    else if (wrong.length > 3 && name.startsWith(wrong)) near.push({ name, edits: limit + name.length - wrong.length });
  }
  near.sort((a, b) => a.edits - b.edits || compareCodeUnits(a.name, b.name));
  return near.slice(0, MAX_SUGGESTIONS).map(({ name }) => name);
}

/** Levenshtein distance; anything above `limit` where it is greater than that. */
function countEdits(a: string, b: string, { limit }: { limit: number }): number {
  if (Math.abs(a.length - b.length) > limit) return limit + 1;
  let row = Array.from({ length: b.length + 1 }, (_, at) => at);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const substituted = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(substituted, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    if (Math.min(...next) > limit) return limit + 1;
    row = next;
  }
  return row[b.length] ?? 0;
}
