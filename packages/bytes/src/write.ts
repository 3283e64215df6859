import { writeSync } from "node:fs";

/** Writes all of `bytes` at a file's position: the system may take less at a time, as on a disk that fills up. */
export function writeFully(descriptor: number, bytes: Uint8Array): void {
  for (let done = 0; done < bytes.byteLength;) done += writeSync(descriptor, bytes, done);
}
