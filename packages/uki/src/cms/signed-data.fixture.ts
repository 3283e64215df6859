import { type Identity, makeIdentity, memorySigner, rsaKey } from "./certificate.fixture.ts";
import { OID } from "./format.ts";
import type { SignedDataRequest } from "./writer.ts";

/** An authority and a certificate that it issued, both for the fixed RSA key. */
export const root: Identity = makeIdentity({ name: "root", privateKey: rsaKey(), authority: {} });
export const leaf: Identity = makeIdentity({ name: "leaf", privateKey: rsaKey(), issuer: root, serialNumber: 0x1234 });

/** A request for the leaf's signature on "content". */
export function signedDataRequest(change: Partial<SignedDataRequest> = {}): SignedDataRequest {
  return {
    signer: memorySigner(rsaKey()),
    certificates: [leaf.certificate],
    hash: "sha256",
    content: { type: OID.data, bytes: Buffer.from("content") },
    attributes: "signed",
    wrapped: true,
    ...change,
  };
}
