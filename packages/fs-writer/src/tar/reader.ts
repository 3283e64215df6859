import { createHash, type Hash } from "node:crypto";
import { finishSha256, FormatError, paddingTo, sha256Hex, type Sha256Hex } from "@cvm-build/bytes";
import { decodeArchiveText } from "../archive-text.ts";
import { TAR_BLOCK_BYTES, TAR_ENTRY_TYPES, TAR_EXTENSIONS, type TarEntryType, type TarExtension } from "./format.ts";
import { decodeTarBlock, isZeroBlock, linknameOf, nameOf, numberOf, type TarBlock } from "./header.ts";
import { decodePax, type PaxAttributes } from "./pax.ts";

/** An entry of a tar archive. */
export interface TarEntry {
  /** As the archive has it, such as `./usr/bin/`: `archivePath` normalises it. */
  name: string;
  type: TarEntryType;
  /** 0..0o7777 */
  mode: number;
  uid: number;
  gid: number;
  mtimeSec: number;
  /** Where a link or symbolic link leads; empty for the others. */
  linkname: string;
  devmajor: number;
  devminor: number;
  /** Extended attributes by full name. */
  xattrs: ReadonlyMap<string, Uint8Array>;
  /** Length of a file's data; zero for the others. */
  sizeBytes: number;
  /** Where the data start in the uncompressed archive. */
  dataOffsetBytes: number;
  /** Digest of the data, of nothing where there are none. */
  sha256: Sha256Hex;
}

/** More than the kernel lets one file's extended attributes and a path be. */
const MAX_EXTENSION_BYTES = 1 << 20;
const NO_XATTRS: ReadonlyMap<string, Uint8Array> = new Map();
const EMPTY_SHA256 = sha256Hex("");

/**
 * Reads a tar archive (ustar, pax, GNU long names) as it comes, in memory that does not grow with it.
 * @param chunks the uncompressed archive in pieces of any size
 * @param onEntry called for each entry in order, once its data have gone by
 * @throws FormatError where the archive is malformed, ends early, or has what is not read (sparse files, volumes)
 * @see POSIX.1-2017, pax
 */
export async function readTar(
  chunks: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
  onEntry: (entry: TarEntry) => void,
): Promise<void> {
  const parser = new TarParser(onEntry);
  for await (const chunk of chunks) parser.push(Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength));
  parser.finish();
}

/** What the bytes that come next are. */
type Expectation =
  | { kind: "header" }
  | { kind: "extension"; extension: TarExtension; parts: Buffer[] }
  | { kind: "data"; entry: TarEntry; hash: Hash }
  | { kind: "padding" }
  | { kind: "end" };

class TarParser {
  readonly #onEntry: (entry: TarEntry) => void;
  #offsetBytes = 0;
  #next: Expectation = { kind: "header" };
  /** How many bytes of what is expected are still to come. */
  #leftBytes = TAR_BLOCK_BYTES;
  #block: Buffer = Buffer.alloc(0);
  #global: PaxAttributes = {};
  #local: PaxAttributes = {};

  constructor(onEntry: (entry: TarEntry) => void) {
    this.#onEntry = onEntry;
  }

  push(chunk: Buffer): void {
    for (let at = 0; at < chunk.length;) {
      const piece = chunk.subarray(at, at + this.#leftBytes);
      at += piece.length;
      this.#offsetBytes += piece.length;
      this.#leftBytes -= piece.length;
      this.#take(piece);
    }
  }

  finish(): void {
    if (this.#next.kind === "end") return;
    throw new FormatError({ record: "tar", offsetBytes: this.#offsetBytes }, "the archive ended early");
  }

  #take(piece: Buffer): void {
    const next = this.#next;
    switch (next.kind) {
      case "header":
        this.#block = this.#block.length === 0 ? piece : Buffer.concat([this.#block, piece]);
        if (this.#leftBytes === 0) this.#takeHeader();
        return;
      case "extension":
        next.parts.push(Buffer.from(piece));
        if (this.#leftBytes === 0) this.#takeExtension(next.extension, Buffer.concat(next.parts));
        return;
      case "data":
        next.hash.update(piece);
        if (this.#leftBytes > 0) return;
        this.#onEntry({ ...next.entry, sha256: finishSha256(next.hash) });
        this.#expectPadding(next.entry.sizeBytes);
        return;
      case "padding":
        if (this.#leftBytes === 0) this.#expect({ kind: "header" }, TAR_BLOCK_BYTES);
        return;
      case "end":
        this.#takeEnd(piece);
    }
  }

  #takeHeader(): void {
    const offsetBytes = this.#offsetBytes - TAR_BLOCK_BYTES;
    const bytes = this.#block;
    this.#block = Buffer.alloc(0);
    if (isZeroBlock(bytes)) {
      this.#expect({ kind: "end" }, Number.POSITIVE_INFINITY);
      return;
    }
    const block = decodeTarBlock(bytes, offsetBytes);
    const extension = extensionOf(block.typeflag);
    if (extension !== undefined) {
      this.#expectExtension(extension, block);
      return;
    }
    const entry = this.#entryOf(block);
    this.#local = {};
    if (entry.sizeBytes > 0) {
      this.#expect({ kind: "data", entry, hash: createHash("sha256") }, entry.sizeBytes);
    } else {
      this.#expect({ kind: "header" }, TAR_BLOCK_BYTES);
      this.#onEntry(entry);
    }
  }

  #expectExtension(extension: TarExtension, block: TarBlock): void {
    const sizeBytes = numberOf(block, "sizeBytes");
    if (sizeBytes === 0 || sizeBytes > MAX_EXTENSION_BYTES) {
      const place = { record: "TarHeader", field: "sizeBytes", offsetBytes: block.offsetBytes };
      throw new FormatError(place, `expected an extension of 1 to ${MAX_EXTENSION_BYTES} bytes, got ${sizeBytes}`);
    }
    this.#expect({ kind: "extension", extension, parts: [] }, sizeBytes);
  }

  #takeExtension(extension: TarExtension, data: Buffer): void {
    const offsetBytes = this.#offsetBytes - data.length;
    if (extension === "pax") {
      decodePax(data, offsetBytes, this.#local);
    } else if (extension === "paxGlobal") {
      decodePax(data, offsetBytes, this.#global);
      if (this.#global.xattrs) {
        throw new FormatError({ record: "pax", offsetBytes }, "expected extended attributes of one entry, not of all");
      }
    } else {
      const end = data.indexOf(0);
      const text = decodeArchiveText(end < 0 ? data : data.subarray(0, end), { record: extension, offsetBytes });
      if (extension === "longName") this.#local.path ??= text;
      else this.#local.linkpath ??= text;
    }
    this.#expectPadding(data.length);
  }

  #entryOf(block: TarBlock): TarEntry {
    const pax = { ...this.#global, ...this.#local };
    const name = pax.path ?? nameOf(block);
    const type = typeOf(block, name);
    const linkname = type === "link" || type === "symlink" ? (pax.linkpath ?? linknameOf(block)) : "";
    const isDevice = type === "char" || type === "block";
    const sizeBytes = pax.sizeBytes ?? numberOf(block, "sizeBytes");
    const fail = (expectation: string): never => {
      throw new FormatError(
        { record: "tar", offsetBytes: block.offsetBytes },
        `${expectation} in ${JSON.stringify(name)}`,
      );
    };
    if (name === "") fail("expected a name");
    if ((type === "link" || type === "symlink") && linkname === "") fail("expected a link target");
    if (type !== "file" && sizeBytes !== 0) fail(`expected no data, got ${sizeBytes} bytes`);
    return {
      name,
      type,
      mode: numberOf(block, "mode") & 0o7777,
      uid: pax.uid ?? numberOf(block, "uid"),
      gid: pax.gid ?? numberOf(block, "gid"),
      mtimeSec: pax.mtimeSec ?? numberOf(block, "mtimeSec"),
      linkname,
      devmajor: isDevice ? numberOf(block, "devmajor") : 0,
      devminor: isDevice ? numberOf(block, "devminor") : 0,
      xattrs: pax.xattrs ?? NO_XATTRS,
      sizeBytes,
      dataOffsetBytes: this.#offsetBytes,
      sha256: EMPTY_SHA256,
    };
  }

  #takeEnd(piece: Buffer): void {
    const at = piece.findIndex((byte) => byte !== 0);
    if (at < 0) return;
    const offsetBytes = this.#offsetBytes - piece.length + at;
    throw new FormatError({ record: "tar", offsetBytes }, "expected nothing but zeros after the end of the archive");
  }

  #expectPadding(sizeBytes: number): void {
    const padding = paddingTo(sizeBytes, TAR_BLOCK_BYTES);
    if (padding > 0) this.#expect({ kind: "padding" }, padding);
    else this.#expect({ kind: "header" }, TAR_BLOCK_BYTES);
  }

  #expect(next: Expectation, leftBytes: number): void {
    this.#next = next;
    this.#leftBytes = leftBytes;
  }
}

function extensionOf(typeflag: string): TarExtension | undefined {
  return Object.hasOwn(TAR_EXTENSIONS, typeflag) ? TAR_EXTENSIONS[typeflag as keyof typeof TAR_EXTENSIONS] : undefined;
}

/** Tars older than POSIX write a directory as a file whose name ends in a slash. */
function typeOf({ typeflag, offsetBytes }: TarBlock, name: string): TarEntryType {
  const type = Object.hasOwn(TAR_ENTRY_TYPES, typeflag) ? TAR_ENTRY_TYPES[typeflag] : undefined;
  if (type === undefined) {
    const place = { record: "TarHeader", field: "typeflag", offsetBytes };
    throw new FormatError(place, `expected a file, link, directory, device or fifo, got ${JSON.stringify(typeflag)}`);
  }
  return type === "file" && name.endsWith("/") ? "directory" : type;
}
