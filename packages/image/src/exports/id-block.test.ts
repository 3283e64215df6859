import { createPublicKey, generateKeyPairSync, verify } from "node:crypto";
import { keySigner } from "@cvm-build/uki";
import { describe, expect, it } from "vitest";
import { makeMeasurements, snpPlatform, tpmPlatform } from "./measurements.fixture.ts";
import { exportMeasurements } from "./export-measurements.ts";

const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-384" });
const signer = keySigner(privateKey, "id.key");
const measurements = makeMeasurements(snpPlatform("qemu-snp"), tpmPlatform("qemu-ovmf"));

/** Where the fields are. @see SEV-SNP Firmware ABI, 8.18 */
const AUTH = { signature: 0x40, componentBytes: 72, valueBytes: 48 } as const;

describe("id-block", () => {
  it("is a block of the launch digest, signed by the key", async () => {
    const request = { formats: ["id-block"], signer, idBlock: { policy: 0x30001n, guestSvn: 7 } } as const;
    const { files, left } = await exportMeasurements(measurements, request);
    expect(files.map(({ fileName }) => fileName)).toEqual(["node.qemu-snp.id-block.json"]);
    expect(left.map(({ platform }) => platform)).toEqual(["qemu-ovmf"]);
    const document = JSON.parse(files[0]!.bytes.toString()) as Record<"idBlock" | "idAuth" | "launchDigest", string>;
    const [block, auth] = [Buffer.from(document.idBlock, "base64"), Buffer.from(document.idAuth, "base64")];
    expect([block.length, auth.length]).toEqual([96, 4096]);
    expect(block.subarray(0, 48).toString("hex")).toBe(measurements.platforms[0]?.registers.launchDigest);
    expect([block.readUInt32LE(84), block.readBigUInt64LE(88)]).toEqual([7, 0x30001n]);
    // R and S, little-endian, in 72 bytes each.
    const component = (index: number) => {
      const start = AUTH.signature + index * AUTH.componentBytes;
      return Buffer.from(auth.subarray(start, start + AUTH.valueBytes)).reverse();
    };
    const key = { key: createPublicKey(privateKey), dsaEncoding: "ieee-p1363" } as const;
    expect(verify("sha384", block, key, Buffer.concat([component(0), component(1)]))).toBe(true);
  });

  it("wants a key, and one on P-384", async () => {
    await expect(exportMeasurements(measurements, { formats: ["id-block"] })).rejects.toMatchObject({
      code: "export",
      hint: expect.stringContaining("--key") as string,
    });
    const other = keySigner(generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey, "other.key");
    await expect(exportMeasurements(measurements, { formats: ["id-block"], signer: other })).rejects.toMatchObject({
      code: "signer",
    });
  });
});
