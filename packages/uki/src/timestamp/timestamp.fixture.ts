import { DerTag, encodeDer, readDer } from "@cvm-build/bytes";
import { DerFields } from "../asn1/reader.ts";
import { integer, objectIdentifier, octetString, sequence } from "../asn1/writer.ts";
import { ecKey, type Identity, makeIdentity, memorySigner } from "../cms/certificate.fixture.ts";
import { OID } from "../cms/format.ts";
import { encodeSignedData } from "../cms/writer.ts";
import { TIME_STAMPING, TST_INFO } from "./format.ts";
import type { TimestampAuthority } from "./request.ts";

/** What a made authority does otherwise than it should. */
export interface AuthorityFaults {
  status?: number;
  time?: string;
  nonce?: Buffer;
  /** Stamps this in place of what the query holds: a `MessageImprint`, DER. */
  imprint?: Buffer;
  identity?: Identity;
}

/** Makes the certificate of an authority that stamps. */
export function makeStamper(purposes: readonly string[] = [TIME_STAMPING], { critical = true } = {}): Identity {
  const purpose = [OID.extendedKeyUsage, critical, sequence(...purposes.map(objectIdentifier))] as const;
  return makeIdentity({ name: "stamper", privateKey: ecKey(), extensions: [purpose] });
}

/** Answers queries as RFC 3161 says, but for its faults. */
export function makeAuthority(faults: AuthorityFaults = {}): TimestampAuthority & { identity: Identity } {
  const identity = faults.identity ?? makeStamper();
  return {
    identity,
    async request(query) {
      const fields = new DerFields(readDer(query), DerTag.sequence, "TimeStampReq");
      fields.take(DerTag.integer, "version");
      const imprint = faults.imprint ?? fields.take(DerTag.sequence, "messageImprint").encoded;
      const nonce = faults.nonce ?? fields.takeIf(DerTag.integer)?.encoded;
      const status = sequence(
        integer(faults.status ?? 0),
        ...(faults.status ? [sequence(encodeDer(DerTag.utf8String, Buffer.from("no time")))] : []),
      );
      if (faults.status) return sequence(status);
      const tstInfo = sequence(
        integer(1),
        objectIdentifier("1.2.3"),
        imprint,
        integer(5),
        encodeDer(DerTag.generalizedTime, Buffer.from(faults.time ?? "20260102030405Z")),
        ...(nonce ? [nonce] : []),
      );
      const token = await encodeSignedData({
        signer: memorySigner(identity.privateKey),
        certificates: [identity.certificate],
        hash: "sha256",
        content: { type: TST_INFO, bytes: tstInfo },
        attributes: "signed",
        wrapped: true,
      });
      return sequence(status, token);
    },
  };
}

/** A `MessageImprint` of a digest that is known by its object identifier. */
export function makeImprint(algorithm: string, digest: Buffer): Buffer {
  return sequence(sequence(objectIdentifier(algorithm)), octetString(digest));
}
