import { writeSync } from "node:fs";

/**
 * Writes all of `bytes`: the system may take less at a time, as on a disk that fills up.
 * @param offsetBytes where in the file; its position unless given
 */
export function writeFully(descriptor: number, bytes: Uint8Array, offsetBytes?: number): void {
  for (let done = 0; done < bytes.byteLength;) {
    const position = offsetBytes === undefined ? null : offsetBytes + done;
    done += writeSync(descriptor, bytes, done, bytes.byteLength - done, position);
  }
}
