import { FormatError, type Sha256Hex } from "@cvm-build/bytes";
import { MAX_STANZA_CHARS, parseStanza } from "./control.ts";
import { type PackageRecord, readPackageRecord } from "./package-record.ts";

/** An index that is larger does not fit the longest string of the engine with room to spare. */
const MAX_INDEX_BYTES = 400 * 2 ** 20;

const PACKAGE_NAME = /^[A-Za-z0-9][A-Za-z0-9+._-]*$/;

/**
 * A `Packages` index that decodes a stanza when it is asked for. Opening only finds where stanzas start and what they are called.
 * Stanzas are numbered from 0 in the order of the file.
 */
export class PackageIndex {
  readonly repository: string;
  /** The index as Latin-1: one character a byte, so that offsets in it are offsets in the file. */
  readonly text: string;
  readonly #starts: readonly number[];
  readonly #byName: ReadonlyMap<string, readonly number[]>;
  readonly #records = new Map<number, PackageRecord>();
  #byProvided: ReadonlyMap<string, readonly number[]> | undefined;

  /** @throws FormatError where a stanza has no valid `Package` field or is out of bounds */
  constructor(text: string, { repository }: { repository: string }) {
    this.repository = repository;
    this.text = text;
    this.#starts = findStanzas(text);
    this.#byName = this.#indexNames();
  }

  get stanzaCount(): number {
    return this.#starts.length;
  }

  /** The names of all packages, in the order of the file. */
  names(): Iterable<string> {
    return this.#byName.keys();
  }

  /** The stanzas of a package, in the order of the file. */
  stanzasOf(name: string): readonly number[] {
    return this.#byName.get(name) ?? [];
  }

  /** The stanzas whose `Provides` names `name`. */
  stanzasProviding(name: string): readonly number[] {
    this.#byProvided ??= this.#indexProvides();
    return this.#byProvided.get(name) ?? [];
  }

  /** The stanzas that say `Essential: yes`. */
  essentialStanzas(): number[] {
    return [...this.#linesThatStart("\nEssential:")]
      .filter(({ value }) => value.trim().toLowerCase() === "yes")
      .map(({ stanza }) => stanza);
  }

  /**
   * Decodes one stanza.
   * @throws FormatError
   */
  record(stanza: number): PackageRecord {
    const known = this.#records.get(stanza);
    if (known !== undefined) return known;
    const offsetBytes = this.startOf(stanza);
    const fields = parseStanza(this.text.slice(offsetBytes, this.startOf(stanza + 1)), { offsetBytes });
    const record = readPackageRecord(fields, { repository: this.repository, offsetBytes });
    this.#records.set(stanza, record);
    return record;
  }

  /** Where a stanza starts; for the number after the last one, where the index ends. */
  startOf(stanza: number): number {
    return this.#starts[stanza] ?? this.text.length;
  }

  /** The stanza that the offset lies in. */
  stanzaAt(offset: number): number {
    let low = 0;
    let high = this.#starts.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if (this.startOf(middle) <= offset) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  #indexNames(): Map<string, number[]> {
    const byName = new Map<string, number[]>();
    for (let stanza = 0; stanza < this.#starts.length; stanza++) {
      const name = this.#nameOf(stanza);
      const stanzas = byName.get(name);
      if (stanzas === undefined) byName.set(name, [stanza]);
      else stanzas.push(stanza);
    }
    return byName;
  }

  /** Most indexes have `Package` in a stanza's first line, but none has to. */
  #nameOf(stanza: number): string {
    const start = this.startOf(stanza);
    const end = this.startOf(stanza + 1);
    const isFirst = this.text.startsWith("Package:", start);
    const line = isFirst ? start : this.text.indexOf("\nPackage:", start) + 1;
    if ((!isFirst && line === 0) || line >= end) throw badName(start, "expected the field, got none");
    const valueStart = line + "Package:".length;
    const lineEnd = this.text.indexOf("\n", valueStart);
    const name = this.text.slice(valueStart, lineEnd === -1 ? end : lineEnd).trim();
    if (!PACKAGE_NAME.test(name)) throw badName(start, `expected a package name, got ${JSON.stringify(name)}`);
    return name.toLowerCase();
  }

  #indexProvides(): Map<string, number[]> {
    const byProvided = new Map<string, number[]>();
    for (const { stanza, value } of this.#linesThatStart("\nProvides:")) {
      for (const element of value.split(",")) {
        const name = element.trim().split(/[\s(]/, 1)[0];
        if (!name) continue;
        const stanzas = byProvided.get(name);
        if (stanzas === undefined) byProvided.set(name, [stanza]);
        else if (stanzas.at(-1) !== stanza) stanzas.push(stanza);
      }
    }
    return byProvided;
  }

  /** Every field whose line starts with `prefix` (a line feed, the name, a colon), with its continuation lines. */
  *#linesThatStart(prefix: string): Generator<{ stanza: number; value: string }> {
    let stanza = 0;
    let at = this.text.indexOf(prefix);
    while (at !== -1) {
      while (this.startOf(stanza + 1) <= at) stanza++;
      const valueStart = at + prefix.length;
      let end = this.text.indexOf("\n", valueStart);
      while (end !== -1 && (this.text[end + 1] === " " || this.text[end + 1] === "\t")) {
        end = this.text.indexOf("\n", end + 1);
      }
      yield { stanza, value: this.text.slice(valueStart, end === -1 ? undefined : end) };
      at = this.text.indexOf(prefix, valueStart);
    }
  }
}

/**
 * Opens a `Packages` index.
 * @param bytes the uncompressed file
 * @param repository suite that the packages are said to come from
 * @throws FormatError
 * @see https://wiki.debian.org/DebianRepository/Format "Packages Indices"
 */
export function openPackageIndex(bytes: Uint8Array, { repository }: { repository: string }): PackageIndex {
  if (bytes.length > MAX_INDEX_BYTES) {
    throw new FormatError({ record: "Packages" }, `expected at most ${MAX_INDEX_BYTES} bytes, got ${bytes.length}`);
  }
  return new PackageIndex(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("latin1"), { repository });
}

/** Where a package that no repository lists is to be had. */
export interface BarePackage {
  /** The path or address that the user gave. */
  repository: string;
  /** File name, as `Filename` would have it. */
  path: string;
  sizeBytes: number;
  sha256: Sha256Hex;
}

/**
 * Makes an index of the one package whose control file is given.
 * @param control the `control` member of the .deb
 * @throws FormatError
 */
export function openBarePackage(
  control: Uint8Array,
  { repository, path, sizeBytes, sha256 }: BarePackage,
): PackageIndex {
  const stanza = Buffer.from(control.buffer, control.byteOffset, control.length).toString("latin1").trimEnd();
  const added = `Filename: ${path.replace(/^\/+/, "")}\nSize: ${sizeBytes}\nSHA256: ${sha256}\n`;
  const index = new PackageIndex(`${stanza}\n${added}`, { repository });
  if (index.stanzaCount !== 1) {
    throw new FormatError({ record: "control" }, `expected one stanza, got ${index.stanzaCount}`);
  }
  return index;
}

/** Stanzas are separated by one or more empty lines. */
function findStanzas(text: string): number[] {
  const starts: number[] = [];
  let start = skipEmptyLines(text, 0);
  while (start < text.length) {
    starts.push(start);
    const end = text.indexOf("\n\n", start);
    const stanzaEnd = end === -1 ? text.length : end;
    if (stanzaEnd - start > MAX_STANZA_CHARS) {
      throw new FormatError({ record: "Packages", offsetBytes: start }, `expected stanzas of at most 1 MiB`);
    }
    start = skipEmptyLines(text, stanzaEnd);
  }
  return starts;
}

function skipEmptyLines(text: string, from: number): number {
  let at = from;
  while (text.charCodeAt(at) === 0x0a) at++;
  return at;
}

function badName(offsetBytes: number, expectation: string): FormatError {
  return new FormatError({ record: "Packages", field: "package", offsetBytes }, expectation);
}
