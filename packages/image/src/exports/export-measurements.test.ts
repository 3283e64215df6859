import { generateKeyPairSync } from "node:crypto";
import { canonicalJson, CvmError } from "@cvm-build/bytes";
import { keySigner } from "@cvm-build/uki";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Measurements, PlatformMeasurements } from "../measurements.ts";
import { EXPORT_FORMATS, type ExportFormatName } from "./export-formats.ts";
import { exportMeasurements } from "./export-measurements.ts";
import type { ExportRequest } from "./export-request.ts";
import { makeMeasurements, sha384, snpPlatform, tdxPlatform, tpmPlatform } from "./measurements.fixture.ts";
import { readMeasurements } from "../read-measurements.ts";

const FORMATS = Object.keys(EXPORT_FORMATS) as ExportFormatName[];
const signer = keySigner(generateKeyPairSync("ec", { namedCurve: "P-384" }).privateKey, "id.key");
const TDX_FIELDS = { xfam: "e702060000000000", tdAttributes: "0000001000000000" };
/** One of each kind of platform. */
const ALL = makeMeasurements(
  tpmPlatform("qemu-ovmf"),
  tdxPlatform("qemu-tdx"),
  tdxPlatform("gcp-tdx"),
  tdxPlatform("azure-tdx"),
  snpPlatform("qemu-snp"),
  tpmPlatform("aws-nitrotpm"),
);

/** The files of one format, as text. */
async function exported(measurements: Measurements, format: ExportFormatName, request: Partial<ExportRequest> = {}) {
  const { files } = await exportMeasurements(measurements, { formats: [format], tdx: TDX_FIELDS, ...request });
  return Object.fromEntries(files.map(({ fileName, bytes }) => [fileName, bytes.toString("utf8")]));
}

describe("what a verifier is to compare", () => {
  const report = async (request: Partial<ExportRequest>, ...platforms: PlatformMeasurements[]) =>
    exportMeasurements(makeMeasurements(...platforms), { formats: ["attested-tls"], ...request });
  const pinned = async (request: Partial<ExportRequest>, ...platforms: PlatformMeasurements[]) =>
    (await report(request, ...platforms)).pinned[0]?.registers;

  test("is the firmware and the image, and what else is predicted", async () => {
    expect(await pinned({}, tdxPlatform("qemu-tdx"))).toEqual(["mrtd", "rtmr0", "rtmr1", "rtmr2", "rtmr3"]);
    expect(await pinned({}, tdxPlatform("azure-tdx"))).toEqual(["pcr4", "pcr9", "pcr11", "pcr12", "pcr13"]);
    expect(await pinned({ formats: ["aws-kms"] }, tpmPlatform("aws-nitrotpm"))).toEqual(["pcr4", "pcr12"]);
    expect(await pinned({ formats: ["trustee-rvps"] }, snpPlatform("qemu-snp"))).toEqual(["launchDigest"]);
  });

  test("is what is asked for, without what is floated", async () => {
    const pin = ["rtmr1", "mrtd"];
    expect(await pinned({ pin }, tdxPlatform("qemu-tdx"))).toEqual(["mrtd", "rtmr1"]);
    expect(await pinned({ float: ["rtmr0"] }, tdxPlatform("qemu-tdx"))).toEqual(["mrtd", "rtmr1", "rtmr2", "rtmr3"]);
    expect(await pinned({ pin, float: ["pcr4"] }, tdxPlatform("qemu-tdx"))).toEqual(["mrtd", "rtmr1"]);
  });

  test("leaves nothing out without saying so", async () => {
    const tdx = tdxPlatform("qemu-tdx", { unpredicted: [{ register: "rtmr3", reason: "extended by the workload" }] });
    delete tdx.registers.rtmr?.[3];
    const { left } = await report({ float: ["rtmr0"] }, tdx, tpmPlatform("qemu-ovmf"));
    expect(left).toEqual([
      { format: "attested-tls", platform: "qemu-tdx", register: "rtmr0", reason: "floated" },
      { format: "attested-tls", platform: "qemu-tdx", register: "rtmr3", reason: "extended by the workload" },
      { format: "attested-tls", platform: "qemu-ovmf", reason: "attested-tls is for: TDX; TDX on Azure" },
    ]);
  });

  test("says what a format cannot hold of what is asked for", async () => {
    const { left } = await report({ pin: ["mrtd", "rtmr1", "pcr4"] }, tdxPlatform("qemu-tdx"));
    expect(left).toMatchObject([{ register: "pcr4", reason: "attested-tls cannot hold it for this platform" }]);
  });
});

describe("several legal values", () => {
  const mrtds = [{ sha384: sha384("one") }, { sha384: sha384("two") }];
  const rtmr0s = [{ sha384: sha384("three") }, { sha384: sha384("four") }, { sha384: sha384("five") }];
  const platform = tdxPlatform("gcp-tdx", {
    alternatives: [
      { register: "mrtd", values: mrtds, reason: "two firmware builds" },
      { register: "rtmr0", values: rtmr0s, reason: "three machine sizes" },
    ],
  });
  const measurements = makeMeasurements(platform);
  const hex = (values: { sha384: string }[]) => values.map(({ sha384: value }) => value);

  test("are a list where the format has lists", async () => {
    const [record] = JSON.parse((await exported(measurements, "attested-tls"))["node.attested-tls.json"] ?? "");
    expect(record.measurements.mrtd).toEqual({ expected_any: hex(mrtds) });
    expect(record.measurements.rtmr0).toEqual({ expected_any: hex(rtmr0s) });
    const { payload } = JSON.parse((await exported(measurements, "trustee-rvps"))["node.rvps.json"] ?? "");
    expect(JSON.parse(Buffer.from(payload, "base64").toString())).toMatchObject({
      mr_td: hex(mrtds),
      rtmr_0: hex(rtmr0s),
    });
  });

  test("are a record a choice where it has none, each under a name of its own", async () => {
    const records = JSON.parse(
      (await exported(measurements, "cvm-reverse-proxy"))["node.cvm-reverse-proxy.json"] ?? "",
    ) as { measurement_id: string; measurements: Record<string, { expected: string }> }[];
    const pairs = records.map((record) => [record.measurements["0"]?.expected, record.measurements["1"]?.expected]);
    expect(pairs).toEqual(hex(mrtds).flatMap((mrtd) => hex(rtmr0s).map((rtmr0) => [mrtd, rtmr0])));
    expect(new Set(records.map((record) => record.measurement_id)).size).toBe(6);
    expect(Object.keys(await exported(measurements, "go-tdx-guest"))).toHaveLength(3);
    expect((await exported(measurements, "azure-maa"))["node.tdx.maa-policy.txt"]?.match(/permit/g)).toHaveLength(6);
  });

  test("of MRTD are any of a list for go-tdx-guest", async () => {
    const [text = ""] = Object.values(await exported(measurements, "go-tdx-guest"));
    expect(text.match(/ any_mr_td: /g)).toHaveLength(2);
    expect(text).not.toMatch(/ mr_td: /);
  });

  test("are refused where one record a platform has one value a register", async () => {
    const tdx = makeMeasurements({ ...platform, name: "qemu-tdx" });
    await expect(exported(tdx, "constellation")).rejects.toThrow(
      'cannot export mrtd of "qemu-tdx" as constellation: expected one value, for the format has no lists, got 2 legal ones',
    );
  });

  test("are refused where there are too many", async () => {
    const values = Array.from({ length: 20 }, (_, index) => ({ sha384: sha384(`value ${index}`) }));
    const alternatives = (["mrtd", "rtmr0"] as const).map((register) => ({ register, values, reason: "many" }));
    const many = makeMeasurements(tdxPlatform("gcp-tdx", { alternatives }));
    await expect(exported(many, "cvm-reverse-proxy")).rejects.toThrow("at most 256 combinations");
    expect(await exported(many, "attested-tls")).toBeDefined();
  });
});

describe("refused", () => {
  const tdx = tdxPlatform("qemu-tdx");
  const unknownRtmr0 = tdxPlatform("qemu-tdx", {
    registers: { pcr: {}, mrtd: sha384("m"), rtmr: { 1: sha384("1"), 2: sha384("2") } },
    unpredicted: [{ register: "rtmr0", reason: "ACPI tables of the host" }],
  });
  const onlySha384 = tdxPlatform("azure-tdx", { registers: { pcr: { sha384: { 4: sha384("4") } } } });

  const emptyMrtd = tdxPlatform("qemu-tdx", { alternatives: [{ register: "mrtd", values: [{}], reason: "" }] });
  const unmeasured = tdxPlatform("azure-tdx", {
    unmeasured: [{ path: "kernel", reason: "handed over without a measurement" }],
  });

  test.each<[string, PlatformMeasurements, Partial<ExportRequest>, string]>([
    ["everything floated", tdx, { pin: ["mrtd"], float: ["mrtd"] }, "expected a register to compare, got none"],
    ["RTMRs without MRTD", tdx, { pin: ["rtmr1", "rtmr2"] }, "expected MRTD beside RTMRs, got only rtmr1, rtmr2"],
    ["RTMRs, MRTD floated", tdx, { float: ["mrtd"] }, "expected MRTD beside RTMRs"],
    ["MRTD alone", tdx, { pin: ["mrtd"] }, "expected a register that differs from image to image, got only mrtd"],
    ["MRTD and a register of the host", tdx, { pin: ["mrtd", "rtmr0"] }, "with which a verifier accepts any image"],
    ["a value in no bank", emptyMrtd, { pin: ["mrtd", "rtmr1"] }, "cannot export mrtd"],
    [
      "a kernel that nothing measures",
      unmeasured,
      {},
      "got one in which kernel is not: handed over without a measurement",
    ],
    ["registers as at power-on", tdx, { pin: ["mrtd", "rtmr3"] }, "with which a verifier accepts any image"],
    [
      "what holds nothing",
      tdxPlatform("azure-tdx"),
      { pin: ["pcr12", "pcr13"] },
      "got only pcr12, pcr13 as at power-on",
    ],
    ["a register without a value", unknownRtmr0, {}, "expected a predicted value, got none: ACPI tables of the host"],
    ["a pin without a value", unknownRtmr0, { pin: ["mrtd", "rtmr3"] }, "got none: it is no register of this platform"],
    ["another bank", onlySha384, {}, "cannot export pcr4 as attested-tls: expected a value in bank sha256, got one in"],
    ["a platform of another kind", snpPlatform("qemu-snp"), {}, "expected a platform that it is for"],
    ["an unknown register", tdx, { pin: ["pcr24"] }, 'cannot export register "pcr24"'],
    ["an unknown platform", tdx, { platforms: ["gcp-tdx"] }, 'cannot export platform "gcp-tdx": expected one that is'],
    ["a name that leaves the folder", tdxPlatform("../tdx"), {}, "expected a name of letters"],
  ])("%s", async (_, platform, request, message) => {
    const attempt = exportMeasurements(makeMeasurements(platform), { formats: ["attested-tls"], ...request });
    const error = await attempt.then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    expect(error).toBeInstanceOf(CvmError);
    expect(error).toMatchObject({ code: "export", message: expect.stringContaining(message) as string });
    expect((error as CvmError).hint).toBeTruthy();
  });

  test("a document without any platform, in every format", async () => {
    for (const format of FORMATS) await expect(exported(makeMeasurements(), format)).rejects.toThrow(CvmError);
  });

  test.each<[string, ExportFormatName, PlatformMeasurements, Partial<ExportRequest>, string]>([
    ["a workload id without RTMR0", "flashtestations", tdx, { float: ["rtmr0"] }, "got none of rtmr0"],
    ["a workload id without XFAM", "flashtestations", tdx, { tdx: {} }, "TD report field xfam"],
    ["a field of the wrong size", "go-tdx-guest", tdx, { tdx: { mrSeam: "00" } }, "expected 48 bytes as hex, got 00"],
    ["a version that is none", "constellation", tdx, { constellation: { version: "1" } }, "canonical semantic version"],
    [
      "a version id that is no hex",
      "go-tpm-tools",
      tpmPlatform("gcp"),
      { tpmFirmware: { scrtmVersionIds: ['"'] } },
      "hex",
    ],
    [
      "a version that is no number",
      "go-tpm-tools",
      tpmPlatform("gcp"),
      { tpmFirmware: { minimumGceVersion: 0.5 } },
      "0.5",
    ],
    ["only what firmware extends", "systemd-pcrlock", tpmPlatform("qemu-ovmf", { events: [] }), {}, "got none"],
  ])("%s", async (_, format, platform, request, message) => {
    await expect(exported(makeMeasurements(platform), format, request)).rejects.toThrow(message);
  });

  test("two platforms that a format cannot tell apart", async () => {
    const two = makeMeasurements(tdxPlatform("qemu-tdx"), tdxPlatform("bare-tdx"));
    await expect(exported(two, "constellation")).rejects.toThrow(
      "expected one platform a cloud and attestation variant",
    );
    const uneven = tpmPlatform("aws-two");
    Object.assign(uneven.registers.pcr.sha384 ?? {}, { 7: sha384("pcr7") });
    const aws = makeMeasurements(tpmPlatform("aws-one"), uneven);
    await expect(exported(aws, "aws-kms")).rejects.toThrow("expected the same PCRs on every platform");
  });
});

describe("the same bytes", () => {
  test("of the same values, however often and in whatever order they are written down", async () => {
    const producer = { name: "Example", uri: "https://example.com" };
    const request = { formats: FORMATS, tdx: TDX_FIELDS, producer, signer };
    const once = await exportMeasurements(ALL, request);
    await fc.assert(
      fc.asyncProperty(fc.infiniteStream(fc.boolean()), async (coins) => {
        const again = await exportMeasurements(shuffleKeys(ALL, coins) as Measurements, request);
        expect(again.files.map(({ bytes }) => bytes.toString("hex"))).toEqual(
          once.files.map(({ bytes }) => bytes.toString("hex")),
        );
      }),
      { numRuns: 20 },
    );
  });

  test("as a build writes", async () => {
    const { "measurements.json": text = "" } = await exported(ALL, "cvm-build");
    expect(text).toBe(canonicalJson(ALL));
    expect(readMeasurements(text)).toEqual(ALL);
  });

  test("never of another platform's name", async () => {
    const { files } = await exportMeasurements(ALL, { formats: FORMATS, tdx: TDX_FIELDS, signer });
    expect(new Set(files.map(({ fileName }) => fileName)).size).toBe(files.length);
    expect(new Set(files.map(({ format }) => format))).toEqual(new Set(FORMATS));
  });
});

/** The same value with some objects' keys in the opposite order. */
function shuffleKeys(value: unknown, coins: fc.Stream<boolean>): unknown {
  if (Array.isArray(value)) return value.map((item) => shuffleKeys(item, coins));
  if (value === null || typeof value !== "object") return value;
  const entries = Object.entries(value).map(([key, item]) => [key, shuffleKeys(item, coins)] as const);
  return Object.fromEntries(coins.next().value === true ? entries.toReversed() : entries);
}
