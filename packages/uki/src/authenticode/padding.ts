import { type ByteSource, bytesSource, paddingTo } from "@cvm-build/bytes";
import { joinSources } from "../content.ts";
import { CERTIFICATE_ALIGNMENT_BYTES } from "./format.ts";
import { readCertificateTable } from "./reader.ts";

/**
 * An image as it is signed: with the zeros that bring it to the multiple of 8 bytes at which a signature may stand.
 * @throws FormatError where it is no PE image
 */
export function padImage(source: ByteSource): ByteSource {
  const padding = paddingTo(source.sizeBytes, CERTIFICATE_ALIGNMENT_BYTES);
  if (readCertificateTable(source).length > 0 || padding === 0) return source;
  return joinSources([source, bytesSource(Buffer.alloc(padding))]);
}
