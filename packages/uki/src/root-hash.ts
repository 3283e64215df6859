import type { X509Certificate } from "node:crypto";
import { assert } from "@cvm-build/bytes";
import { OID } from "./cms/format.ts";
import { encodeSignedData } from "./cms/writer.ts";
import type { Signer } from "./signer/signer.ts";

/**
 * Signs the root hash of a dm-verity device, as the kernel and systemd verify it: the text in lower-case hex is the content,
 * itself signed and not part of the signature.
 * @param rootHash lower-case hex
 * @returns DER `ContentInfo`, such as a `.p7s` file and a verity signature partition have
 * @throws CvmError `certificate` where certificate and key are no pair, `signer`
 * @see Linux Documentation/admin-guide/device-mapper/verity.rst, `root_hash_sig_key_desc`; systemd-repart(8), `--private-key=`
 */
export async function signRootHash(
  rootHash: string,
  { signer, certificates }: { signer: Signer; certificates: readonly X509Certificate[] },
): Promise<Buffer> {
  assert(/^[0-9a-f]+$/.test(rootHash), `expected a root hash in lower-case hex, got ${JSON.stringify(rootHash)}`);
  return await encodeSignedData({
    signer,
    certificates,
    hash: "sha256",
    content: { type: OID.data, bytes: Buffer.from(rootHash, "latin1") },
    detached: true,
    attributes: "none",
    wrapped: true,
  });
}
