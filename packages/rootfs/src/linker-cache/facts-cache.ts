import { writeFileSync } from "node:fs";
import { compactCanonicalJson, FormatError, type Sha256Hex, sha256Hex } from "@cvm-build/bytes";
import { type Content, type DerivedCache, type FileTree, readContent } from "@cvm-build/fs-writer";
import { isElf } from "../elf/reader.ts";
import { type LibraryFacts, readLibrary } from "./library.ts";

const KIND = "library-facts";
/** Changes whenever `LibraryFacts` or how they are read changes. */
const FACTS_VERSION = 1;

/** What a file turns out to be: a library with its facts, one that cannot be read, or none. */
export type KnownFile = LibraryFacts | "unread" | "no library";

/** Reads each library once, however many names it has, and keeps what was read for the next build of the same files. */
export class LibraryFactsCache {
  readonly #cache: DerivedCache;
  readonly #key: Sha256Hex;
  readonly #known: Map<string, KnownFile>;
  #isChanged = false;

  /** @param tree whose libraries will be asked for: the same libraries make one object */
  constructor(cache: DerivedCache, tree: FileTree) {
    const digests: string[] = [];
    for (const [path, node] of tree.entries()) {
      if (node.kind === "file" && path.includes(".so", path.lastIndexOf("/"))) digests.push(node.content.sha256);
    }
    this.#cache = cache;
    this.#key = sha256Hex(compactCanonicalJson([FACTS_VERSION, digests]));
    const meta = cache.lookup(KIND, this.#key)?.meta;
    this.#known = new Map(Object.entries((meta ?? {}) as Record<string, KnownFile>));
  }

  /** What `content` is. */
  factsOf(content: Content): KnownFile {
    const known = this.#known.get(content.sha256);
    if (known !== undefined) return known;
    const read = readFacts(readContent(content));
    this.#known.set(content.sha256, read);
    this.#isChanged = true;
    return read;
  }

  /** Keeps what was read. */
  save(): void {
    if (!this.#isChanged) return;
    const temporaryPath = this.#cache.reserve();
    writeFileSync(temporaryPath, "");
    const meta = Object.fromEntries(this.#known);
    this.#cache.commit(KIND, this.#key, { temporaryPath, sizeBytes: 0, sha256: sha256Hex(""), meta });
  }
}

function readFacts(bytes: Buffer): KnownFile {
  if (!isElf(bytes)) return "no library";
  try {
    return readLibrary(bytes) ?? "no library";
  } catch (error) {
    if (error instanceof FormatError) return "unread";
    throw error;
  }
}
