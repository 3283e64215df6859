import type { X509Certificate } from "node:crypto";
import { describe, expect, it } from "vitest";
import { integer, sequence } from "../asn1/writer.ts";
import { ecKey, type Identity, makeIdentity, memorySigner, rsaKey } from "./certificate.fixture.ts";
import { readSignedData } from "./reader.ts";
import { leaf, root, signedDataRequest } from "./signed-data.fixture.ts";
import { verifySignedData } from "./verify.ts";
import { encodeSignedData, type SignedDataRequest } from "./writer.ts";

async function verify(
  change: Partial<SignedDataRequest>,
  options: { trusted: readonly Identity[]; content?: Buffer } = { trusted: [root] },
) {
  const signed = readSignedData(await encodeSignedData(signedDataRequest(change)));
  const trusted = options.trusted.map(({ certificate }) => certificate);
  const [verified] = verifySignedData(signed, { ...options, trusted });
  return verified;
}

const names = (chain: readonly X509Certificate[] | undefined) => chain?.map(({ subject }) => subject.slice(3));

/** A chain of made certificates, the first self-signed; what each says beside its name can be given. */
function makeChain(...made: readonly Partial<Parameters<typeof makeIdentity>[0]>[]): Identity[] {
  const chain: Identity[] = [];
  for (const [index, change] of made.entries()) {
    const issuer = chain.at(-1);
    const name = `${"abcdef".charAt(index)}`;
    chain.push(makeIdentity({ name, privateKey: ecKey(), authority: {}, ...(issuer && { issuer }), ...change }));
  }
  return chain;
}

/** Signs with the last certificate of a chain and sends all but the first along. */
async function verifyChain(chain: readonly Identity[], trusted = chain.slice(0, 1)) {
  const last = chain.at(-1) as Identity;
  const certificates = chain
    .slice(1)
    .toReversed()
    .map(({ certificate }) => certificate);
  return await verify({ signer: memorySigner(last.privateKey), certificates }, { trusted });
}

describe("verifySignedData", () => {
  it.each(["sha256", "sha384", "sha512"] as const)("verifies RSA and both curves with %s", async (hash) => {
    for (const [key, name] of [
      [rsaKey(), "RSA-2048"],
      [ecKey(), "P-256"],
      [ecKey("P-384"), "P-384"],
    ] as const) {
      const { certificate } = makeIdentity({ name, privateKey: key, issuer: root });
      for (const attributes of ["signed", "none"] as const) {
        const verified = await verify({ signer: memorySigner(key), certificates: [certificate], hash, attributes });
        expect(verified).toMatchObject({ key: name, hash });
        expect(verified?.chain?.map(({ raw }) => raw)).toEqual([certificate.raw, root.certificate.raw]);
        expect(verified?.problem).toBeUndefined();
      }
    }
  });

  it("verifies content from elsewhere, and refuses other content", async () => {
    const trusted = [root];
    for (const attributes of ["signed", "none"] as const) {
      const request = { detached: true, attributes };
      expect((await verify(request, { trusted, content: Buffer.from("content") }))?.problem).toBeUndefined();
      expect((await verify(request, { trusted, content: Buffer.from("Content") }))?.problem).toMatch(/got another$/);
      expect((await verify(request, { trusted }))?.problem).toBe("expected the content that is signed, got none");
    }
  });

  it("refuses content of a type of its own without signed attributes", async () => {
    const verified = await verify({ attributes: "none", content: { type: "1.2.3", bytes: Buffer.from("content") } });
    expect(verified?.problem).toBe("expected signed attributes, got none");
  });

  it("says when the signer's certificate is not there", async () => {
    const signed = readSignedData(await encodeSignedData(signedDataRequest()));
    const without = { ...signed, certificates: [root.certificate] };
    expect(verifySignedData(without, { trusted: [root.certificate] })).toEqual([
      { hash: "sha256", problem: "expected the signer's certificate, got none that fits" },
    ]);
  });

  it("refuses algorithms that contradict the key, and digests that it does not know", async () => {
    const signed = readSignedData(await encodeSignedData(signedDataRequest()));
    const problemOf = (
      change: { digestAlgorithm?: string; signatureAlgorithm?: string },
      digestAlgorithms = signed.digestAlgorithms,
    ) => {
      const signers = signed.signers.map((signer) => ({ ...signer, ...change }));
      return verifySignedData({ ...signed, signers, digestAlgorithms }, { trusted: [] })[0]?.problem;
    };
    expect(problemOf({ digestAlgorithm: "1.3.14.3.2.26" })).toBe(
      "expected sha256, sha384, sha512, got digest 1.3.14.3.2.26",
    );
    expect(problemOf({ signatureAlgorithm: "1.2.840.10045.4.3.2" })).toMatch(/^expected signature algorithm/);
    const sha384 = { digestAlgorithm: "2.16.840.1.101.3.4.2.2" };
    expect(problemOf(sha384, [sha384.digestAlgorithm])).toMatch(/^expected the digest of this content/);
    // As sbverify, which finds no digest to compute.
    expect(problemOf({}, [sha384.digestAlgorithm])).toBe("expected sha256 among the signature's digests");
    expect(problemOf({}, [])).toBe("expected sha256 among the signature's digests");
  });
});

describe("chains", () => {
  it("end at the first trusted certificate, be it a root, an authority between, or the signer's own", async () => {
    const chain = makeChain({}, {}, {});
    const [a, b, c] = chain as [Identity, Identity, Identity];
    expect(names((await verifyChain(chain, [a]))?.chain)).toEqual(["c", "b", "a"]);
    expect(names((await verifyChain(chain, [b]))?.chain)).toEqual(["c", "b"]);
    expect(names((await verifyChain(chain, [c]))?.chain)).toEqual(["c"]);
    expect((await verifyChain(chain, []))?.chain).toBeUndefined();
  });

  it("need each certificate between", async () => {
    const [a, b, c] = makeChain({}, {}, {}) as [Identity, Identity, Identity];
    const request = { signer: memorySigner(c.privateKey), certificates: [c.certificate] };
    expect((await verify(request, { trusted: [a] }))?.chain).toBeUndefined();
    // Whoever trusts the one between need not have it sent.
    expect(names((await verify(request, { trusted: [b] }))?.chain)).toEqual(["c", "b"]);
  });

  it.each<[string, readonly Partial<Parameters<typeof makeIdentity>[0]>[], boolean]>([
    ["authorities that may have one more between", [{ authority: { pathLength: 1 } }, {}, {}], true],
    ["authorities that may have none between", [{ authority: { pathLength: 0 } }, {}, {}], false],
    ["a critical extension that is understood", [{}, { extensions: [["2.5.29.37", true, sequence()]] }], true],
    ["a critical extension that is not", [{}, { extensions: [["2.5.29.30", true, sequence()]] }], false],
    ["another extension that is not", [{}, { extensions: [["1.2.3", false, integer(1)]] }], true],
    ["an authority on a curve that is not taken", [{ privateKey: ecKey("P-521") }, {}], false],
  ])("keep to what certificates say: %s", async (_, made, isChain) => {
    expect((await verifyChain(makeChain(...made)))?.chain !== undefined).toBe(isChain);
  });

  it("do not go through a certificate that is no authority", async () => {
    const [a] = makeChain({}) as [Identity];
    const notCa = makeIdentity({ name: "b", privateKey: ecKey(), issuer: a });
    const signer = makeIdentity({ name: "c", privateKey: ecKey(), issuer: notCa, authority: {} });
    expect((await verifyChain([a, notCa, signer]))?.chain).toBeUndefined();
    expect((await verifyChain([a, notCa, signer], [notCa]))?.chain).toBeUndefined();
  });

  it("do not trust a name: an authority of the same name with another key has not issued it", async () => {
    const impostor = makeIdentity({ name: "root", privateKey: ecKey(), authority: {} });
    expect((await verify({}, { trusted: [impostor] }))?.chain).toBeUndefined();
    expect(names((await verify({}, { trusted: [impostor, root] }))?.chain)).toEqual(["leaf", "root"]);
  });

  it("end where certificates have issued each other", async () => {
    const x = makeIdentity({ name: "x", privateKey: ecKey(), authority: {} });
    const y = makeIdentity({ name: "y", privateKey: ecKey(), issuer: x, authority: {} });
    const xByY = makeIdentity({ name: "x", privateKey: x.privateKey, issuer: y, authority: {} });
    const request = { signer: memorySigner(y.privateKey), certificates: [y.certificate, xByY.certificate] };
    expect((await verify(request, { trusted: [leaf] }))?.chain).toBeUndefined();
  });
});
