import { alignUp, CvmError, FormatError, isSha256Hex, type Sha256Hex } from "@cvm-build/bytes";
import type { FsWriterErrorCode } from "../errors.ts";

/** A root hash with its signature, as a partition of its own has them. */
export interface VeritySignature {
  /** Lower-case hex. */
  rootHash: string;
  /** SHA-256 of the signer's certificate, DER. */
  certificateFingerprint: Sha256Hex;
  /** PKCS #7, DER. */
  signature: Buffer;
}

/** Size of the partition, as systemd-repart makes it. */
const PARTITION_BYTES = 16_384;
const BLOCK_BYTES = 4096;
/** Largest partition that is read, and largest object in it. */
const MAX_PARTITION_BYTES = 4 << 20;

/**
 * Contents of a verity signature partition: a JSON object, padded with NULs.
 * @throws CvmError `verity` where no reader would take it
 * @see UAPI Group, Discoverable Partitions Specification, "Verity Signature Partitions"
 */
export function encodeVeritySignature({ rootHash, certificateFingerprint, signature }: VeritySignature): Buffer {
  const text = JSON.stringify({ rootHash, certificateFingerprint, signature: signature.toString("base64") });
  // A NUL ends the text.
  const sizeBytes = Math.max(PARTITION_BYTES, alignUp(text.length + 1, BLOCK_BYTES));
  if (sizeBytes > MAX_PARTITION_BYTES) {
    const expectation = `expected at most ${MAX_PARTITION_BYTES} bytes, got ${sizeBytes}`;
    throw new CvmError<FsWriterErrorCode>("verity", `cannot write verity signature: ${expectation}`);
  }
  const bytes = Buffer.alloc(sizeBytes);
  bytes.write(text, "latin1");
  return bytes;
}

/**
 * Reads the contents of a verity signature partition. Whether the signature is good is for who has the certificate.
 * @throws FormatError
 * @see UAPI Group, Discoverable Partitions Specification, "Verity Signature Partitions"
 */
export function readVeritySignature(bytes: Uint8Array): VeritySignature {
  const refuse = (field: string, expectation: string) =>
    new FormatError({ record: "verity signature", field }, `expected ${expectation}`);
  if (bytes.byteLength > MAX_PARTITION_BYTES) throw refuse("size", `at most ${MAX_PARTITION_BYTES} bytes`);
  const padded = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const end = padded.indexOf(0);
  const object = parseObject(padded.toString("utf8", 0, end < 0 ? padded.length : end));
  if (!object) throw refuse("text", "a JSON object");
  const { rootHash, certificateFingerprint, signature } = object;
  if (typeof rootHash !== "string" || !/^([0-9a-f]{2})+$/.test(rootHash)) throw refuse("rootHash", "lower-case hex");
  if (typeof certificateFingerprint !== "string" || !isSha256Hex(certificateFingerprint)) {
    throw refuse("certificateFingerprint", "64 lower-case hexadecimal digits");
  }
  if (typeof signature !== "string" || !/^[A-Za-z0-9+/=\s]+$/.test(signature)) throw refuse("signature", "base64");
  return { rootHash, certificateFingerprint, signature: Buffer.from(signature, "base64") };
}

function parseObject(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}
