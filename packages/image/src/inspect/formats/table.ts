import type { ByteSource } from "@cvm-build/bytes";
import { CPIO, TAR } from "./archives.ts";
import { EROFS, NAMED_FORMATS, VFAT } from "./file-systems.ts";
import type { ImageFormat } from "./format.ts";
import { LUKS } from "./luks.ts";
import { PROGRAM } from "./program.ts";
import { DETACHED_SIGNATURE, VERITY, VERITY_SIGNATURE } from "./verity.ts";

/** What can be in a file or a partition, what is told with most certainty first. */
const FORMATS: readonly ImageFormat[] = [
  LUKS,
  VERITY,
  EROFS,
  CPIO,
  TAR,
  DETACHED_SIGNATURE,
  VERITY_SIGNATURE,
  VFAT,
  PROGRAM,
  ...NAMED_FORMATS,
];

const EMPTY_START_BYTES = 1 << 16;

/** What holds nothing yet: its first 64 KiB are zero. */
const EMPTY: ImageFormat = {
  name: "empty",
  matches: (source) => source.read(0, Math.min(EMPTY_START_BYTES, source.sizeBytes)).every((byte) => byte === 0),
  describe: () => ({ facts: {} }),
};

/** What bytes no format is known of are called. */
export const UNKNOWN_FORMAT = "unknown";

/** The format that bytes begin as; undefined where it is no known one. */
export function recognise(source: ByteSource): ImageFormat | undefined {
  return [...FORMATS, EMPTY].find(({ matches }) => matches(source));
}
