import { DerTag, encodeDer, FormatError } from "@cvm-build/bytes";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { constructed, integer, NULL, objectIdentifier, octetString, sequence, setOf } from "../asn1/writer.ts";
import { dumpSignedData } from "./dump.ts";
import { DIGEST_OID, OID, RSA_ENCRYPTION } from "./format.ts";
import { readSignedData } from "./reader.ts";
import { leaf, root, signedDataRequest } from "./signed-data.fixture.ts";
import { verifySignedData } from "./verify.ts";
import { encodeSignedData } from "./writer.ts";

const name = sequence();
const digestAlgorithm = sequence(objectIdentifier(DIGEST_OID.sha256), NULL);

/** A `SignerInfo` with one attribute, as often as said. */
function signerInfo(attributes = 1): Buffer {
  const attribute = sequence(objectIdentifier(OID.contentType), setOf(objectIdentifier(OID.data)));
  return sequence(
    integer(1),
    sequence(name, integer(1)),
    digestAlgorithm,
    constructed(0, ...Array.from({ length: attributes }, () => attribute)),
    sequence(objectIdentifier(RSA_ENCRYPTION), NULL),
    octetString(Buffer.alloc(4)),
  );
}

function signedData(parts: {
  digests?: Buffer[];
  certificates?: Buffer[];
  signers?: Buffer[];
  more?: Buffer[];
}): Buffer {
  return sequence(
    integer(1),
    setOf(...(parts.digests ?? [digestAlgorithm])),
    sequence(objectIdentifier(OID.data)),
    ...(parts.certificates ? [constructed(0, ...parts.certificates)] : []),
    encodeDer(DerTag.set, Buffer.concat(parts.signers ?? [])),
    ...(parts.more ?? []),
  );
}

describe("readSignedData", () => {
  it("reads what was written, as text that a person can check", async () => {
    const request = signedDataRequest({ certificates: [leaf.certificate, root.certificate] });
    const expected = [
      "version = 1",
      "content = 1.2.840.113549.1.7.1, 7 bytes, tag 0x4",
      'certificate = "CN=leaf" RSA-2048, 1234 of "CN=root"',
      'certificate = "CN=root" RSA-2048, 01 of "CN=root"',
      "[signer 02021234]",
      "digestAlgorithm = 2.16.840.1.101.3.4.2.1",
      "signed 1.2.840.113549.1.9.3 = 06092a864886f70d010701",
      // The digest of "content", as sha256sum gives it.
      "signed 1.2.840.113549.1.9.4 = 0420ed7002b439e9ac845f22357d822bac1444730fbdb6016d3ec9432297b9ec9f73",
      "signatureAlgorithm = 1.2.840.113549.1.1.1",
      "signature = 256 bytes",
      "",
    ].join("\n");
    expect(dumpSignedData(readSignedData(await encodeSignedData(request)))).toBe(expected);
    expect(dumpSignedData(readSignedData(await encodeSignedData({ ...request, wrapped: false })))).toBe(expected);
  });

  it("reads one without content and signed attributes, and one without anybody", async () => {
    const bare = readSignedData(
      await encodeSignedData(signedDataRequest({ attributes: "none", detached: true, wrapped: false })),
    );
    expect(bare.content).toBeUndefined();
    expect(bare.signers.map(({ signedAttributes }) => signedAttributes)).toEqual([undefined]);
    expect(readSignedData(signedData({}))).toMatchObject({ certificates: [], signers: [] });
  });

  it.each<[string, Buffer, string]>([
    ["nothing", Buffer.alloc(0), "DER: expected a tag and a length"],
    ["a set", setOf(), "ContentInfo: expected tag 0x30, got 0x31"],
    ["other content", sequence(objectIdentifier(OID.data)), "expected 1.2.840.113549.1.7.2 (signedData), got"],
    ["an indefinite length", Buffer.from("3080020101", "hex"), "a length of at most 4 bytes"],
    ["more than a MiB", Buffer.alloc((1 << 20) + 1), "SignedData: expected at most 1048576 bytes, got 1048577"],
    ["bytes after it", Buffer.concat([signedData({}), Buffer.of(0)]), "expected one value, got 1 bytes after it"],
    ["a field too many", signedData({ more: [NULL] }), "SignedData: expected its end, got tag 0x5"],
    ["a certificate that is none", signedData({ certificates: [sequence(NULL)] }), "Certificate.tbsCertificate"],
    [
      "a certificate that only looks like one",
      signedData({
        certificates: [sequence(sequence(integer(1), digestAlgorithm, name, name, name, name), digestAlgorithm)],
      }),
      "expected a certificate that OpenSSL reads",
    ],
    [
      "a digest that is none",
      signedData({ digests: [sequence(integer(1))] }),
      "AlgorithmIdentifier.algorithm: expected tag 0x6, got 0x2",
    ],
    [
      "an algorithm with more than parameters",
      signedData({ digests: [sequence(objectIdentifier(DIGEST_OID.sha256), NULL, NULL)] }),
      "AlgorithmIdentifier.parameters: expected one value",
    ],
    [
      "a NULL with contents",
      signedData({ digests: [sequence(objectIdentifier(DIGEST_OID.sha256), encodeDer(DerTag.null, Buffer.of(1)))] }),
      "AlgorithmIdentifier.parameters: expected one value, and NULL without contents",
    ],
    ["17 digests", signedData({ digests: Array.from({ length: 17 }, () => digestAlgorithm) }), "at most 16, got 17"],
    [
      "33 certificates",
      signedData({ certificates: Array.from({ length: 33 }, () => leaf.certificate.raw) }),
      "SignedData.certificates: expected at most 32, got 33",
    ],
    [
      "17 signers",
      signedData({ signers: Array.from({ length: 17 }, () => signerInfo()) }),
      "SignedData.signerInfos: expected at most 16, got 17",
    ],
    [
      "an attribute twice",
      signedData({ signers: [signerInfo(2)] }),
      "expected 1.2.840.113549.1.9.3 once, got it twice",
    ],
    [
      "a signer by key identifier",
      signedData({ signers: [sequence(integer(3), encodeDer(0x80, Buffer.alloc(20)))] }),
      "SignerInfo.sid: expected tag 0x30, got 0x80",
    ],
  ])("refuses %s", (_, bytes, message) => {
    expect(() => readSignedData(bytes)).toThrow(FormatError);
    expect(() => readSignedData(bytes)).toThrow(message);
  });

  it("gives a value or a FormatError for damaged bytes, and what still verifies is unharmed", async () => {
    const good = await encodeSignedData(signedDataRequest({ certificates: [leaf.certificate, root.certificate] }));
    const change = fc.tuple(fc.nat(good.length - 1), fc.nat(255));
    let readable = 0;
    fc.assert(
      fc.property(fc.array(change, { minLength: 1, maxLength: 4 }), fc.nat(3 * good.length), (changes, cut) => {
        const bytes = Buffer.from(good.subarray(0, cut));
        for (const [at, value] of changes) if (at < bytes.length) bytes[at] = value;
        try {
          const signed = readSignedData(bytes);
          readable++;
          const [verified] = verifySignedData(signed, { trusted: [root.certificate] });
          if (!verified?.chain || verified.problem !== undefined) return;
          expect(signed.content?.contents.toString()).toBe("content");
          expect(verified.certificate?.raw).toEqual(leaf.certificate.raw);
        } catch (error) {
          if (!(error instanceof FormatError)) throw error;
        }
      }),
      { seed: 11, numRuns: 4000 },
    );
    expect(readable).toBeGreaterThan(500);
  });
});
