import type { ByteSource } from "@cvm-build/bytes";
import type { PartContents } from "../dissection.ts";
import type { FoundTree } from "../trees/found-tree.ts";
import type { Workspace } from "../workspace.ts";

/** What a file or a partition may hold. */
export interface ImageFormat {
  name: string;
  /** What blkid calls it, where it is something that is mounted or mapped. */
  fstype?: string;
  /** Says whether bytes begin as this format does. Looks at few of them, and throws nothing. */
  matches(source: ByteSource): boolean;
  /** @throws FormatError */
  describe(source: ByteSource): Description;
  /**
   * The tree in it, where it has one.
   * @param workspace where contents go that are all going to be asked for
   * @throws FormatError
   */
  tree?(source: ByteSource, workspace?: Workspace): FoundTree | Promise<FoundTree>;
}

/** What a format says of an image. */
export type Description = Pick<PartContents, "uuid" | "label" | "facts" | "verity" | "signature">;

/** Whether these bytes are at that place. */
export function hasBytes(source: ByteSource, offsetBytes: number, bytes: Uint8Array): boolean {
  if (offsetBytes < 0 || source.sizeBytes < offsetBytes + bytes.byteLength) return false;
  return source.read(offsetBytes, bytes.byteLength).equals(bytes);
}
