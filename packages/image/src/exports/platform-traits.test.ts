import { expect, test } from "vitest";
import { makeMeasurements, sha384, snpPlatform, tdxPlatform, tpmPlatform } from "./measurements.fixture.ts";
import { traitsOf } from "./platform-traits.ts";

const open = (register: string) => ({ registers: { pcr: {} }, unpredicted: [{ register, reason: "not known" }] });

test.each([
  ["qemu-ovmf", tpmPlatform("qemu-ovmf"), { tee: undefined, cloud: undefined, hasTpm: true }],
  ["qemu-tdx", tdxPlatform("qemu-tdx"), { tee: "tdx", cloud: undefined, hasTpm: false }],
  ["azure-tdx", tdxPlatform("azure-tdx"), { tee: "tdx", cloud: "azure", hasTpm: true }],
  ["a machine of a matrix", tdxPlatform("gcp-tdx+2048M+4cpus"), { tee: "tdx", cloud: "gcp", hasTpm: false }],
  ["qemu-snp", snpPlatform("qemu-snp"), { tee: "snp", cloud: undefined, hasTpm: false }],
  ["aws-snp without firmware", tpmPlatform("aws-snp"), { tee: "snp", cloud: "aws", hasTpm: true }],
  ["a name that says nothing, of a TD", tdxPlatform("mine"), { tee: "tdx", cloud: undefined, hasTpm: false }],
  ["the same, MRTD open", tdxPlatform("mine", open("mrtd")), { tee: "tdx", cloud: undefined, hasTpm: false }],
  ["the same, SEV", snpPlatform("mine", open("launchDigest")), { tee: "snp", cloud: undefined, hasTpm: false }],
  [
    "a TPM whose only PCR has two values",
    snpPlatform("mine", { alternatives: [{ register: "pcr4", values: [{ sha384: sha384("4") }], reason: "" }] }),
    { tee: "snp", cloud: undefined, hasTpm: true },
  ],
])("%s", (_, platform, traits) => {
  const [read] = makeMeasurements(platform).platforms;
  expect(read && traitsOf(read)).toEqual(traits);
});
