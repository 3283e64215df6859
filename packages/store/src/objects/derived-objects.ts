import { readFileSync, renameSync, rmSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { assert, compactCanonicalJson, type Sha256Hex, sha256Hex } from "@cvm-build/bytes";
import { isMissing, writeFailure } from "../errors.ts";
import { replaceFile, writeTemporary } from "./durable.ts";
import { createUnique, makeFolder, type StoreLayout } from "./layout.ts";
import { stampUse } from "./use-stamp.ts";

/** An object computed from others and kept between builds; the shape that `DerivedCache` of fs-writer asks for. */
export interface DerivedObject {
  path: string;
  sizeBytes: number;
  /** Digest of the file at `path`. Whoever reads the bytes compares. */
  sha256: Sha256Hex;
  /** What the producer wants to find again without opening the object, as JSON. */
  meta: unknown;
}

/** What a producer says of the file it wrote. */
export interface WrittenObject {
  temporaryPath: string;
  sizeBytes: number;
  sha256: Sha256Hex;
  meta: unknown;
}

/**
 * The derived part of the store. Nothing here is flushed to disk: it can be computed again, and flushing would cost more
 * than most of it is worth. So a power cut may leave an object torn; its size is compared at lookup, its digest by
 * whoever reads it.
 */
export class DerivedObjects {
  readonly #layout: StoreLayout;
  readonly #now: () => Date;

  constructor(layout: StoreLayout, { now }: { now: () => Date }) {
    this.#layout = layout;
    this.#now = now;
  }

  /** The object of that kind and key, or undefined where there is none or its size is wrong. */
  lookup(kind: string, key: Sha256Hex): DerivedObject | undefined {
    const path = this.#pathOf(kind, key);
    const noted = readNote(`${path}.json`);
    if (noted === undefined) return undefined;
    const status = statSync(path, { throwIfNoEntry: false });
    if (status?.size !== noted.sizeBytes) return undefined;
    stampUse(path, { status, now: this.#now() });
    return { path, ...noted };
  }

  /** The digest that the object of that kind and key should have; undefined where nothing says. */
  digestOf(kind: string, key: Sha256Hex): Sha256Hex | undefined {
    return readNote(`${this.#pathOf(kind, key)}.json`)?.sha256;
  }

  /**
   * A fresh path in the store's file system, for a producer (perhaps in a worker) to write to.
   * @throws StoreError `disk-full`, `store-unusable`
   */
  reserve(): string {
    return createUnique(this.#layout.temporary, "derived.");
  }

  /**
   * Moves what was written at `temporaryPath` into place. Two builds that commit the same key leave one of the two
   * objects, and the note of one of the two: equal, or told apart by the reader's digest.
   * @throws StoreError `disk-full`, `store-unusable`
   */
  commit(kind: string, key: Sha256Hex, written: WrittenObject): DerivedObject {
    const path = this.#pathOf(kind, key);
    const { temporaryPath, ...noted } = written;
    try {
      makeFolder(dirname(path));
      renameSync(temporaryPath, path);
    } catch (error) {
      rmSync(temporaryPath, { force: true });
      throw writeFailure(error, path);
    }
    replaceFile(`${path}.json`, formatNote(noted), { temporaryFolder: this.#layout.temporary });
    return { path, ...noted };
  }

  /**
   * Keeps bytes as a derived object.
   * @throws StoreError `disk-full`, `store-unusable`
   */
  put(kind: string, key: Sha256Hex, { bytes, meta }: { bytes: Uint8Array; meta: unknown }): DerivedObject {
    const temporaryFolder = this.#layout.temporary;
    const temporaryPath = writeTemporary(bytes, { temporaryFolder, prefix: "derived.", flush: false });
    return this.commit(kind, key, { temporaryPath, sizeBytes: bytes.byteLength, sha256: sha256Hex(bytes), meta });
  }

  /** Forgets an object that turned out to be torn. */
  discard(kind: string, key: Sha256Hex): void {
    const path = this.#pathOf(kind, key);
    rmSync(`${path}.json`, { force: true });
    rmSync(path, { force: true });
  }

  #pathOf(kind: string, key: Sha256Hex): string {
    assert(/^[a-z][a-z0-9-]*$/.test(kind), `"${kind}" is no kind of derived object`);
    return join(this.#layout.derived, kind, key);
  }
}

/** A note's text: the digest of its JSON, then the JSON, which says modes and owners that nothing else can vouch for. */
function formatNote(note: Omit<DerivedObject, "path">): string {
  const json = compactCanonicalJson(note);
  return `${sha256Hex(json)}\n${json}`;
}

/** A note as `commit` wrote it; undefined for one that is missing, torn or changed. */
function readNote(path: string): Omit<DerivedObject, "path"> | undefined {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
  const end = text.indexOf("\n");
  const json = text.slice(end + 1);
  return text.slice(0, Math.max(end, 0)) === sha256Hex(json) ? (JSON.parse(json) as DerivedObject) : undefined;
}
