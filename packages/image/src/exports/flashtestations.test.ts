import { expect, test } from "vitest";
import { exportMeasurements } from "./export-measurements.ts";
import { makeMeasurements, tdxPlatform } from "./measurements.fixture.ts";

/** The quote of flashtestations' own tests, test/raw_tdx_quotes/0xf200…/quote.bin. */
const REGISTERS = {
  pcr: {},
  mrtd: "47a1cc074b914df8596bad0ed13d50d561ad1effc7f7cc530ab86da7ea49ffc03e57e7da829f8cba9c629c3970505323",
  rtmr: {
    0: "00e1dad5455e5fa87974edb69e13296dd1ba9fa86356d70b68be15dd5d36767643904de1893c1b4d47fc8d3a90675391",
    1: "a7157e7c5f932e9babac9209d4527ec9ed837b8e335a931517677fa746db51ee56062e3324e266e3f39ec26a516f4f71",
    2: "e63560e50830e22fbc9b06cdce8afe784bf111e4251256cf104050f1347cd4ad9f30da408475066575145da0b098a124",
    3: "00".repeat(48),
  },
};

/** What Flashbots' libraries in Rust and TypeScript expect of it: the contract as it is now, and its first version. */
const WORKLOAD_ID = "0x952569f637f3f7e36cd8f5a7578ae4d03a1cb05ddaf33b35d3054464bb1c862e";
const WORKLOAD_ID_V1 = "0xf724e7d117f5655cf33beefdfc7d31e930278fcb65cf6d1de632595e97ca82b2";

async function workloads(name: string, tdx?: Record<string, string>) {
  const measurements = makeMeasurements(tdxPlatform(name, { registers: REGISTERS }));
  const request = { formats: ["flashtestations" as const], ...(tdx && { tdx }) };
  const { files } = await exportMeasurements(measurements, request);
  return (JSON.parse(files[0]?.bytes.toString() ?? "") as { workloads: Record<string, unknown>[] }).workloads;
}

test("the id of a real quote, in both versions of the contract", async () => {
  const tdx = { xfam: "E702060000000000", tdAttributes: "0000001000000000" };
  expect(await workloads("qemu-tdx", tdx)).toMatchObject([
    { platform: "qemu-tdx", workloadId: WORKLOAD_ID, workloadIdV1: WORKLOAD_ID_V1, xfam: "e702060000000000" },
  ]);
});

test("Google's TDs are all alike; what differs can be said", async () => {
  expect(await workloads("gcp-tdx")).toMatchObject([
    { xfam: "e700060000000000", tdAttributes: "0000001000000000", mrConfigId: "00".repeat(48) },
  ]);
  expect(await workloads("gcp-tdx", { xfam: "e702060000000000" })).toMatchObject([{ workloadId: WORKLOAD_ID }]);
  const [changed] = await workloads("gcp-tdx", { xfam: "e702060000000000", mrConfigId: `${"00".repeat(47)}01` });
  expect(changed?.["workloadId"]).not.toBe(WORKLOAD_ID);
});
