export { alignUp, paddingTo } from "./align.ts";
export { canonicalJson, compactCanonicalJson, compareCodeUnits, type Json } from "./canonical-json.ts";
export { type DerValue, DerTag, encodeDer, expectDer, readDer, readDerList } from "./der.ts";
export { assert, CvmError, type CvmErrorOptions, FormatError, type FormatErrorPlace } from "./errors.ts";
export { compileGlob, isGlob } from "./glob.ts";
export { decodeGuid, encodeGuid, guid, type Guid, isGuid } from "./guid.ts";
export {
  digest,
  DIGEST_SIZE_BYTES,
  finishSha256,
  HASH_ALGORITHMS,
  type HashAlgorithm,
  isSha256Hex,
  type Sha256Hex,
  sha256Hex,
} from "./hash.ts";
export {
  ascii,
  type FieldType,
  raw,
  record,
  type RecordType,
  u16be,
  u16le,
  u32be,
  u32le,
  u64be,
  u64le,
  u8,
  type ValueOf,
} from "./record.ts";
export {
  borrowedChunksOf,
  bytesSource,
  type ByteSource,
  chunksOf,
  type FileSource,
  openFileSource,
  sliceSource,
  sourceSha256,
} from "./source.ts";
export type { ProgressEvent, ReportProgress } from "./progress.ts";
export { startThread } from "./thread.ts";
export { decodeUuid, derivedUuid, encodeUuid, uuid } from "./uuid.ts";
export { writeFully } from "./write.ts";
