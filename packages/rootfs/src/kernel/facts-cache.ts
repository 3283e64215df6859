import { readFileSync, writeFileSync } from "node:fs";
import { compactCanonicalJson, sha256Hex, type Sha256Hex } from "@cvm-build/bytes";
import { type DerivedCache, readContent } from "@cvm-build/fs-writer";
import { decompressModule } from "./decompress-module.ts";
import { failInModule, type ModuleFacts, readModuleFacts } from "./module-facts.ts";
import { compressionOf, type ModuleFile } from "./module-files.ts";

/** Changes whenever `ModuleFacts` or what goes into it changes. */
const FACTS_VERSION = 1;
/** Decompression runs in threads of its own; more at once would only hold more memory. */
const CONCURRENT_MODULES = 3;

/** Reads modules' facts on demand and keeps those of one kernel and one selection between builds. */
export class FactsCache {
  readonly #cache: DerivedCache;
  readonly #key: Sha256Hex;
  readonly #facts: Map<string, ModuleFacts>;
  #isChanged = false;

  /** @param request what else decides which modules are asked for, so that one request makes one object */
  constructor(cache: DerivedCache, { files, request }: { files: readonly ModuleFile[]; request: unknown }) {
    this.#cache = cache;
    const digests = files.map(({ node }) => node.content.sha256);
    this.#key = sha256Hex(JSON.stringify([FACTS_VERSION, request, digests]));
    this.#facts = new Map(Object.entries(this.#load()));
  }

  /**
   * The facts of modules, in their order, decompressing those that are not known yet.
   * @throws FormatError where one is no module
   */
  async getAll(files: readonly ModuleFile[]): Promise<ModuleFacts[]> {
    const facts: ModuleFacts[] = [];
    for (let at = 0; at < files.length; at += CONCURRENT_MODULES) {
      const batch = files.slice(at, at + CONCURRENT_MODULES);
      facts.push(...(await Promise.all(batch.map((file) => this.#get(file)))));
    }
    return facts;
  }

  /** Keeps what was read for the next build. */
  save(): void {
    if (!this.#isChanged) return;
    const bytes = Buffer.from(compactCanonicalJson(Object.fromEntries(this.#facts)));
    const temporaryPath = this.#cache.reserve();
    writeFileSync(temporaryPath, bytes);
    const written = { temporaryPath, sizeBytes: bytes.length, sha256: sha256Hex(bytes), meta: null };
    this.#cache.commit("modinfo", this.#key, written);
  }

  async #get(file: ModuleFile): Promise<ModuleFacts> {
    const { sha256 } = file.node.content;
    const known = this.#facts.get(sha256);
    if (known) return known;
    try {
      const bytes = await decompressModule(readContent(file.node.content), compressionOf(file.path));
      const facts = readModuleFacts(bytes);
      this.#facts.set(sha256, facts);
      this.#isChanged = true;
      return facts;
    } catch (cause) {
      return failInModule(file.path, cause);
    }
  }

  #load(): Record<string, ModuleFacts> {
    const object = this.#cache.lookup("modinfo", this.#key);
    if (!object) return {};
    const bytes = readFileSync(object.path);
    if (sha256Hex(bytes) === object.sha256) return JSON.parse(bytes.toString()) as Record<string, ModuleFacts>;
    this.#cache.discard("modinfo", this.#key);
    return {};
  }
}
