import { closeSync, lstatSync, openSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { compareUtf8, contentOf } from "@cvm-build/fs-writer";
import { writeFully } from "@cvm-build/bytes";
import type { ListedNode } from "./erofs-ours.ts";

/** Contents lie in files of about this size, as those of unpacked packages do in a build. */
const PAYLOAD_BYTES = 8 << 20;
const LARGE_FILE_BYTES = 8_000_000;

/**
 * Lists a folder for `erofs-ours.ts`, with its contents put one after the other into files of `scratch`.
 * @returns where the list is, and the sum of all contents
 */
export function listFolder(folder: string, scratch: string): { listPath: string; sizeBytes: number } {
  const nodes: ListedNode[] = [{ path: "/", kind: "directory", mode: 0o755, mtimeSec: 0 }];
  const names = namesBelow(folder);
  const payloads = new PayloadWriter(scratch);
  for (const name of names) {
    const source = join(folder, name);
    const found = lstatSync(source);
    const common = { path: `/${name}`, mode: found.mode & 0o7777, mtimeSec: Math.floor(found.mtimeMs / 1000) };
    if (found.isDirectory()) nodes.push({ ...common, kind: "directory" });
    else if (found.isSymbolicLink()) nodes.push({ ...common, kind: "symlink", target: readlinkSync(source) });
    else if (found.isFile()) {
      const bytes = readFileSync(source);
      const { sizeBytes, sha256 } = contentOf(bytes);
      nodes.push({ ...common, kind: "file", content: { sizeBytes, sha256, file: payloads.add(bytes) } });
    }
  }
  payloads.close();
  const listPath = join(scratch, "tree.json");
  writeFileSync(listPath, JSON.stringify(nodes));
  return { listPath, sizeBytes: payloads.totalBytes };
}

/**
 * Lists a tree of `sizeBytes` of files for `erofs-ours.ts`. Contents overlap in one file of `scratch`, each begins elsewhere
 * in it, and about half of each shrinks.
 */
export function listLargeTree(sizeBytes: number, scratch: string): { listPath: string } {
  const payload = Buffer.alloc(2 * LARGE_FILE_BYTES);
  for (let at = 0, state = 1; at < payload.length; at += 4) {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    payload.writeUInt32LE((at >> 12) & 1 ? state : 0x20202020 | (state >>> 28), at);
  }
  const path = join(scratch, "payload");
  writeFileSync(path, payload);
  const nodes: ListedNode[] = [{ path: "/", kind: "directory", mode: 0o755, mtimeSec: 0 }];
  for (let index = 0; index * LARGE_FILE_BYTES < sizeBytes; index++) {
    const offsetBytes = index * 4099;
    const { sha256 } = contentOf(payload.subarray(offsetBytes, offsetBytes + LARGE_FILE_BYTES));
    const content = { sizeBytes: LARGE_FILE_BYTES, sha256, file: { path, offsetBytes } };
    nodes.push({ path: `/${index}`, kind: "file", mode: 0o644, mtimeSec: 0, content });
  }
  const listPath = join(scratch, "tree.json");
  writeFileSync(listPath, JSON.stringify(nodes));
  return { listPath };
}

/** Paths below a folder, parents first. Symbolic links are not followed, as `recursive` of `readdir` would. */
function namesBelow(folder: string, prefix = ""): string[] {
  const entries = readdirSync(folder, { withFileTypes: true }).sort((a, b) => compareUtf8(a.name, b.name));
  return entries.flatMap((entry) => {
    const name = `${prefix}${entry.name}`;
    return [name, ...(entry.isDirectory() ? namesBelow(join(folder, entry.name), `${name}/`) : [])];
  });
}

class PayloadWriter {
  readonly #folder: string;
  #count = 0;
  #path = "";
  #descriptor: number | undefined;
  #filledBytes = Number.POSITIVE_INFINITY;
  totalBytes = 0;

  constructor(folder: string) {
    this.#folder = folder;
  }

  add(bytes: Buffer): { path: string; offsetBytes: number } {
    if (this.#filledBytes >= PAYLOAD_BYTES) {
      this.close();
      this.#path = join(this.#folder, `payload-${this.#count++}`);
      this.#descriptor = openSync(this.#path, "w");
      this.#filledBytes = 0;
    }
    const offsetBytes = this.#filledBytes;
    writeFully(this.#descriptor as number, bytes);
    this.#filledBytes += bytes.length;
    this.totalBytes += bytes.length;
    return { path: this.#path, offsetBytes };
  }

  close(): void {
    if (this.#descriptor !== undefined) closeSync(this.#descriptor);
    this.#descriptor = undefined;
  }
}
