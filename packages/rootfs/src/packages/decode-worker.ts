import { serveTasks } from "@cvm-build/fs-writer";
import type { Sha256Hex } from "@cvm-build/bytes";
import { type DecodedArchive, decodeDeb, decodeTarFile } from "./decode-archive.ts";

/** One archive to decode. */
export interface DecodeTask {
  kind: "deb" | "tar";
  name: string;
  path: string;
  sha256: Sha256Hex;
  tarPath: string;
}

serveTasks<DecodeTask, DecodedArchive>(({ kind, path, ...options }) =>
  kind === "deb" ? decodeDeb(path, options) : decodeTarFile(path, options),
);
