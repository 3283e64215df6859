import { generateKeyPairSync } from "node:crypto";
import { canonicalJson, sha256Hex } from "@cvm-build/bytes";
import { keySigner } from "@cvm-build/uki";
import { expect, test } from "vitest";
import { decodeDsse, verifyDsse } from "../release/dsse.ts";
import { exportMeasurements } from "./export-measurements.ts";
import { makeMeasurements, snpPlatform } from "./measurements.fixture.ts";

const MEASUREMENTS = makeMeasurements(snpPlatform("qemu-snp"));
const producer = { name: "Example", uri: "https://example.com/builder" };

const STATEMENT = {
  _type: "https://in-toto.io/Statement/v1",
  subject: [{ name: "node.efi", digest: { sha256: MEASUREMENTS.image.sha256 } }],
  predicateType: "https://in-toto.io/attestation/scai/v0.3",
  predicate: {
    attributes: [
      {
        attribute: "urn:cvm-build:predicted-registers:1",
        conditions: {
          platform: "qemu-snp",
          registers: { launchDigest: [{ sha384: MEASUREMENTS.platforms[0]?.registers.launchDigest }] },
        },
        evidence: {
          name: "measurements.json",
          mediaType: "application/json",
          digest: { sha256: sha256Hex(canonicalJson(MEASUREMENTS)) },
        },
      },
    ],
    producer,
  },
};

test("a statement about the image, with the document of its registers as evidence", async () => {
  const { files } = await exportMeasurements(MEASUREMENTS, { formats: ["scai", "cvm-build"], producer });
  expect(JSON.parse(files[0]?.bytes.toString() ?? "")).toEqual(STATEMENT);
  expect(sha256Hex(files[1]?.bytes ?? "")).toBe(STATEMENT.predicate.attributes[0]?.evidence.digest.sha256);
});

test("in an envelope, where there is a key", async () => {
  const { privateKey, publicKey } = generateKeyPairSync("ed25519");
  const signer = keySigner(privateKey, "key");
  const { files } = await exportMeasurements(MEASUREMENTS, { formats: ["scai"], producer, signer });
  expect(files.map(({ fileName }) => fileName)).toEqual(["node.scai.dsse.json"]);
  const envelope = decodeDsse(files[0]?.bytes.toString() ?? "");
  expect(verifyDsse(envelope, publicKey)).toBe(true);
  expect(envelope.payload.type).toBe("application/vnd.in-toto+json");
  expect(JSON.parse(envelope.payload.bytes.toString())).toEqual(STATEMENT);
});
