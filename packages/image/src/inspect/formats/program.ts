import type { ByteSource } from "@cvm-build/bytes";
import { inspectUki } from "@cvm-build/uki";
import { hasBytes, type ImageFormat } from "./format.ts";

/** Whether a file begins as programs of firmware, kernels among them. */
export function isPe(source: ByteSource): boolean {
  return hasBytes(source, 0, Buffer.from("MZ"));
}

/** A UKI, kernel or other program in something else: one that is a file of its own is said more of. */
export const PROGRAM: ImageFormat = {
  name: "pe",
  matches: isPe,
  describe(source) {
    const { kind, machine, uname, cmdline } = inspectUki(source);
    return {
      facts: { kind, machine, ...(uname !== undefined && { uname }), ...(cmdline !== undefined && { cmdline }) },
    };
  },
};
