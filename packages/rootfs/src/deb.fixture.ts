import { mkdirSync, writeFileSync } from "node:fs";
import { gzipSync } from "node:zlib";
import { sha256Hex } from "@cvm-build/bytes";
import { encodeAr, encodeTar, type TarInput } from "@cvm-build/fs-writer";
import type { FetchedPackage } from "./assemble.ts";

/** A package to make for a test. */
export interface DebInput {
  name: string;
  version?: string;
  /** More fields of the control stanza, one a line. */
  control?: string;
  /** Paths to texts; a path that ends in a slash is a directory. */
  files?: Record<string, string>;
  /** Entries as the archive shall have them, after `files`. */
  entries?: TarInput[];
  scripts?: Record<string, string>;
}

/** The bytes of a .deb, its archives compressed with gzip. */
export function makeDeb({
  name,
  version = "1",
  control = "",
  files = {},
  entries = [],
  scripts = {},
}: DebInput): Buffer {
  const stanza = `Package: ${name}\nVersion: ${version}\nArchitecture: amd64\nMaintainer: t <t@example.org>\nDescription: t\n${control}`;
  const controlFiles = { control: stanza, ...scripts };
  const controlTar = encodeTar(
    Object.entries(controlFiles).map(([path, text]) => ({ name: `./${path}`, mode: 0o755, bytes: Buffer.from(text) })),
  );
  const data = Object.entries(files).map(([path, text]): TarInput => {
    const isDirectory = path.endsWith("/");
    return isDirectory ? { name: `.${path}`, type: "directory" } : { name: `.${path}`, bytes: Buffer.from(text) };
  });
  return encodeAr([
    { name: "debian-binary", bytes: Buffer.from("2.0\n") },
    { name: "control.tar.gz", bytes: gzipSync(controlTar) },
    { name: "data.tar.gz", bytes: gzipSync(encodeTar([...data, ...entries])) },
  ]);
}

/** Writes a .deb into a folder and describes it as the lock would. */
export function writeDeb(directory: string, input: DebInput): FetchedPackage {
  return writePackage(directory, { name: input.name, version: input.version ?? "1", bytes: makeDeb(input) });
}

/** Writes bytes as a package's file and describes them as the lock would. */
export function writePackage(
  directory: string,
  { name, version = "1", bytes }: { name: string; version?: string; bytes: Buffer },
): FetchedPackage {
  mkdirSync(directory, { recursive: true });
  const path = `${directory}/${name}_${version}.deb`;
  writeFileSync(path, bytes);
  const locked: FetchedPackage["locked"] = {
    name,
    version,
    architecture: "amd64",
    role: "image",
    repository: "test",
    path: `pool/${name}.deb`,
    sizeBytes: bytes.length,
    sha256: sha256Hex(bytes),
    source: { name, version },
    requestedBy: ["profile"],
  };
  return { locked, path };
}
