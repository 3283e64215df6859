import { createHash } from "node:crypto";
import { closeSync, openSync } from "node:fs";
import {
  type ByteSource,
  finishSha256,
  FormatError,
  openFileSource,
  type Sha256Hex,
  sliceSource,
  sourceSha256,
  writeFully,
} from "@cvm-build/bytes";
import { archivePath, decompress, decompressWhole, readAr, readTar, type TarEntry } from "@cvm-build/fs-writer";
import { parseControl, relationNames } from "./control.ts";
import { type PayloadEntry, type PayloadIndex, SCRIPT_NAMES } from "./payload.ts";

/** More than any package of a distribution unpacks to. */
const MAX_DATA_BYTES = 16 * 2 ** 30;
const MAX_CONTROL_BYTES = 64 << 20;
const MAX_ENTRIES = 2_000_000;
const DEB_FORMAT = /^2\.\d+\n/;

/** What was written and what it holds. */
export interface DecodedArchive {
  /** Of the uncompressed tar archive. */
  sizeBytes: number;
  sha256: Sha256Hex;
  index: PayloadIndex;
}

/** One archive to decode, as it is handed to a thread. */
export interface DecodeTask {
  kind: "deb" | "tar";
  name: string;
  path: string;
  sha256: Sha256Hex;
  /** Where the uncompressed archive goes. */
  tarPath: string;
}

/**
 * Decodes an archive of either kind.
 * @throws FormatError where it is damaged or not what was locked
 */
export function decodeArchive({ kind, path, ...options }: DecodeTask): Promise<DecodedArchive> {
  return kind === "deb" ? decodeDeb(path, options) : decodeTarFile(path, options);
}

/**
 * Decodes a .deb: its data archive goes uncompressed to `tarPath`.
 * @throws FormatError where it is no .deb, ends early, or its digest is not `sha256`
 * @see deb(5)
 */
export async function decodeDeb(
  path: string,
  { tarPath, sha256 }: { tarPath: string; sha256: Sha256Hex },
): Promise<DecodedArchive> {
  using source = openFileSource(path);
  checkDigest(source, sha256);
  const members = openDeb(source);
  const control = controlIndex(await readControlFiles(members.control));
  const data = await decodeTar(members.data, tarPath);
  return { ...data, index: { ...control, entries: data.entries } };
}

/**
 * The control stanza of a .deb, as its `control` file has it.
 * @throws FormatError where it is no .deb
 */
export async function readDebControl(path: string): Promise<Buffer> {
  using source = openFileSource(path);
  const files = await readControlFiles(openDeb(source).control);
  return Buffer.from(controlFile(files), "latin1");
}

/** The two archives of a .deb, still compressed. */
function openDeb(source: ByteSource): { control: ByteSource; data: ByteSource } {
  const members = readAr(source);
  const part = (pattern: RegExp): ByteSource => {
    const member = members.find(({ name }) => pattern.test(name));
    if (!member) throw new FormatError({ record: "deb" }, `expected a member ${pattern.source}`);
    return sliceSource(source, member.offsetBytes, member.sizeBytes);
  };
  const version = part(/^debian-binary$/);
  if (!DEB_FORMAT.test(version.read(0, Math.min(16, version.sizeBytes)).toString("latin1"))) {
    throw new FormatError({ record: "deb", field: "debian-binary" }, "expected format 2.x");
  }
  return { control: part(/^control\.tar(\.(gz|xz|zst))?$/), data: part(/^data\.tar(\.(gz|xz|zst))?$/) };
}

/**
 * Decodes a tar archive, compressed or not, in the same way.
 * @throws FormatError where it is none, ends early, or its digest is not `sha256`
 */
export async function decodeTarFile(
  path: string,
  { tarPath, sha256, name }: { tarPath: string; sha256: Sha256Hex; name: string },
): Promise<DecodedArchive> {
  using source = openFileSource(path);
  checkDigest(source, sha256);
  const { entries, ...written } = await decodeTar(source, tarPath);
  const nothing = { version: "", architecture: "", replaces: [], scripts: {}, conffiles: [] };
  return { ...written, index: { name, ...nothing, entries } };
}

async function decodeTar(
  source: ByteSource,
  tarPath: string,
): Promise<{ entries: PayloadEntry[]; sizeBytes: number; sha256: Sha256Hex }> {
  const entries: PayloadEntry[] = [];
  const hash = createHash("sha256");
  let sizeBytes = 0;
  const descriptor = openSync(tarPath, "w", 0o600);
  try {
    async function* written(): AsyncGenerator<Buffer> {
      for await (const chunk of decompress(source, { maxSizeBytes: MAX_DATA_BYTES })) {
        writeFully(descriptor, chunk);
        hash.update(chunk);
        sizeBytes += chunk.length;
        yield chunk;
      }
    }
    await readTar(written(), (entry) => {
      if (entries.length === MAX_ENTRIES)
        throw new FormatError({ record: "tar" }, `expected at most ${MAX_ENTRIES} entries`);
      entries.push(payloadEntry(entry));
    });
  } finally {
    closeSync(descriptor);
  }
  return { entries, sizeBytes, sha256: finishSha256(hash) };
}

function payloadEntry(entry: TarEntry): PayloadEntry {
  const { mode, uid, gid, mtimeSec, type, linkname } = entry;
  if (entry.name.startsWith("/")) {
    throw new FormatError(
      { record: "tar" },
      `expected a relative entry name, got ${JSON.stringify(entry.name.slice(0, 200))}`,
    );
  }
  const kind = type === "link" ? "hardlink" : type;
  const common: PayloadEntry = { path: archivePath(entry.name, "tar"), kind, mode, uid, gid, mtimeSec };
  if (kind === "file") {
    Object.assign(common, { sizeBytes: entry.sizeBytes, offsetBytes: entry.dataOffsetBytes, sha256: entry.sha256 });
  } else if (kind === "symlink") common.target = linkname;
  else if (kind === "hardlink") common.target = archivePath(linkname.replace(/^\/+/, ""), "tar");
  else if (kind === "char" || kind === "block") Object.assign(common, { major: entry.devmajor, minor: entry.devminor });
  if (entry.xattrs.size > 0) {
    common.xattrs = Object.fromEntries(
      [...entry.xattrs].map(([name, value]) => [name, Buffer.from(value).toString("base64")]),
    );
  }
  return common;
}

/** The files of a control archive by name, as Latin-1. */
async function readControlFiles(source: ByteSource): Promise<ReadonlyMap<string, string>> {
  const tar = await decompressWhole(source, { maxSizeBytes: MAX_CONTROL_BYTES });
  const files = new Map<string, string>();
  await readTar([tar], ({ name, type, dataOffsetBytes, sizeBytes }) => {
    if (type !== "file") return;
    files.set(
      archivePath(name, "control.tar").slice(1),
      tar.toString("latin1", dataOffsetBytes, dataOffsetBytes + sizeBytes),
    );
  });
  return files;
}

function controlFile(files: ReadonlyMap<string, string>): string {
  const text = files.get("control");
  if (text === undefined) throw new FormatError({ record: "deb" }, "expected a control file");
  return text;
}

function controlIndex(files: ReadonlyMap<string, string>): Omit<PayloadIndex, "entries"> {
  const stanza = parseControl(controlFile(files));
  const required = (field: string): string => {
    const value = stanza.get(field);
    if (!value) throw new FormatError({ record: "control" }, `expected a field ${field}`);
    return value;
  };
  const scripts = SCRIPT_NAMES.filter((name) => files.has(name)).map((name) => [name, files.get(name)!] as const);
  const triggers = files.get("triggers");
  return {
    name: required("package"),
    version: required("version"),
    architecture: required("architecture"),
    replaces: relationNames(stanza.get("replaces")),
    scripts: Object.fromEntries(scripts),
    conffiles: (files.get("conffiles") ?? "").split("\n").filter((line) => line.startsWith("/")),
    ...(triggers === undefined ? {} : { triggers }),
  };
}

function checkDigest(source: ByteSource, expected: Sha256Hex): void {
  const actual = sourceSha256(source);
  if (actual !== expected) {
    throw new FormatError(
      { record: "file" },
      `expected SHA-256 ${expected}, got ${actual} over ${source.sizeBytes} bytes`,
    );
  }
}
