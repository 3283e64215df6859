import type { PackageIndex } from "./package-index.ts";

/** Fields that name packages, in the order in which apt reads them. */
const NAMING_FIELDS = [
  "pre-depends",
  "depends",
  "conflicts",
  "breaks",
  "recommends",
  "suggests",
  "replaces",
  "enhances",
  "provides",
];
const OWN_NAME = -1;

/** A search costs some 10 ms, numbering every name some 250 ms. */
const MAX_SEARCHES = 16;

/**
 * Orders names by where indexes first mention them, be it as a package or in a relation. apt numbers packages in this order and
 * lets the number decide between providers that are equal in all else.
 */
export class MentionOrder {
  readonly #indexes: readonly PackageIndex[];
  readonly #found = new Map<string, Mention>();
  #numbers: ReadonlyMap<string, number> | undefined;

  constructor(indexes: readonly PackageIndex[]) {
    this.#indexes = indexes;
  }

  /** Negative where `a` is mentioned first. Names that nothing mentions come last and are equal. */
  compare(a: string, b: string): number {
    if (this.#numbers === undefined && this.#found.size <= MAX_SEARCHES) {
      return compareMentions(this.#find(a), this.#find(b));
    }
    const numbers = (this.#numbers ??= numberMentions(this.#indexes));
    return (numbers.get(a) ?? numbers.size) - (numbers.get(b) ?? numbers.size);
  }

  #find(name: string): Mention {
    const known = this.#found.get(name);
    if (known !== undefined) return known;
    const mention = findFirstMention(name, this.#indexes);
    this.#found.set(name, mention);
    return mention;
  }
}

/** A place in a list of indexes: index, stanza, field (the package's own name comes first), offset. */
type Mention = readonly [index: number, stanza: number, field: number, offset: number];

function findFirstMention(name: string, indexes: readonly PackageIndex[]): Mention {
  for (const [at, index] of indexes.entries()) {
    const found = findInIndex(name, index);
    if (found !== undefined) return [at, ...found];
  }
  return [indexes.length, 0, 0, 0];
}

function compareMentions(a: Mention, b: Mention): number {
  return a[0] - b[0] || a[1] - b[1] || a[2] - b[2] || a[3] - b[3];
}

/** Numbers every name in the order of its first mention. */
function numberMentions(indexes: readonly PackageIndex[]): Map<string, number> {
  const numbers = new Map<string, number>();
  for (const index of indexes) {
    for (const fields of namingFields(index)) {
      fields.sort((a, b) => a.rank - b.rank);
      for (const element of fields.flatMap(({ value }) => value.split(/[,|]/))) {
        const [name = "", architecture] = (element.trim().split(/[\s([<]/, 1)[0] ?? "").split(":");
        if (name !== "" && architecture !== "any" && !numbers.has(name)) numbers.set(name, numbers.size);
      }
    }
  }
  return numbers;
}

/** The fields of each stanza that name packages. */
function* namingFields(index: PackageIndex): Generator<{ rank: number; value: string }[]> {
  const line =
    /(?:^|\n)(Package|Pre-Depends|Depends|Conflicts|Breaks|Recommends|Suggests|Replaces|Enhances|Provides):([^\n]*(?:\n[ \t][^\n]*)*)/g;
  let fields: { rank: number; value: string }[] = [];
  let stanza = 0;
  for (let match = line.exec(index.text); match !== null; match = line.exec(index.text)) {
    const [, name = "", value = ""] = match;
    // -1 for `Package` itself, as `OWN_NAME` says.
    const rank = NAMING_FIELDS.indexOf(name.toLowerCase());
    if (match.index >= index.startOf(stanza + 1) - 1) {
      yield fields;
      fields = [];
      while (match.index >= index.startOf(stanza + 1) - 1 && stanza + 1 < index.stanzaCount) stanza++;
    }
    fields.push({ rank, value });
  }
  yield fields;
}

type PlaceInIndex = readonly [stanza: number, field: number, offset: number];

function findInIndex(name: string, index: PackageIndex): PlaceInIndex | undefined {
  const ownStanza = index.stanzasOf(name)[0];
  let best: PlaceInIndex | undefined = ownStanza === undefined ? undefined : [ownStanza, OWN_NAME, 0];
  let end = best === undefined ? index.text.length : index.startOf(best[0]);
  for (let at = index.text.indexOf(name); at !== -1 && at < end; at = index.text.indexOf(name, at + 1)) {
    if (!isWholeName(index.text, at, name.length)) continue;
    const field = namingFieldAt(index.text, at);
    if (field === -1) continue;
    const stanza = index.stanzaAt(at);
    if (best === undefined || best[0] !== stanza || field < best[1]) best = [stanza, field, at];
    // Fields of a stanza need not stand in apt's order: look at the rest of this stanza, and no further.
    end = index.startOf(stanza + 1);
  }
  return best;
}

function isWholeName(text: string, at: number, length: number): boolean {
  const before = text[at - 1];
  const after = text[at + length];
  if (before === undefined || !" \t\n,|".includes(before)) return false;
  if (after === undefined) return true;
  // `name:any` stands for every package that provides it, a name of its own.
  if (after === ":") return !/^any(?![a-z0-9-])/.test(text.slice(at + length + 1, at + length + 5));
  return " \t\n,|([<".includes(after);
}

/** Rank of the field that the offset lies in, or -1 where that field names no packages. */
function namingFieldAt(text: string, offset: number): number {
  let lineStart = text.lastIndexOf("\n", offset) + 1;
  while (lineStart > 0 && (text[lineStart] === " " || text[lineStart] === "\t")) {
    lineStart = text.lastIndexOf("\n", lineStart - 2) + 1;
  }
  const colon = text.indexOf(":", lineStart);
  return colon === -1 || colon > offset ? -1 : NAMING_FIELDS.indexOf(text.slice(lineStart, colon).toLowerCase());
}
