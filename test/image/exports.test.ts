import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { sha256Hex } from "@cvm-build/bytes";
import { type Launch, predictSevEsLaunch, predictSevLaunch, predictSnpLaunch } from "@cvm-build/measure";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { ExportFormatName } from "../../packages/image/src/exports/export-formats.ts";
import { exportMeasurements } from "../../packages/image/src/exports/export-measurements.ts";
import type { ExportRequest } from "../../packages/image/src/exports/export-request.ts";
import {
  makeMeasurements,
  sha384,
  snpPlatform,
  tdxPlatform,
  tpmPlatform,
} from "../../packages/image/src/exports/measurements.fixture.ts";
import { platformMeasurements } from "../../packages/image/src/platforms/measure.ts";
import { makeFirmware, words } from "../../packages/measure/src/firmware/firmware.fixture.ts";
import { requirePeers } from "../support/peers.ts";
import { type DebianRoot, debianRoot } from "../support/trixie-root.ts";

const TDX = tdxPlatform("gcp-tdx", {
  alternatives: [
    { register: "mrtd", values: [{ sha384: sha384("one") }, { sha384: sha384("two") }], reason: "two firmware builds" },
  ],
});
const TPM = tpmPlatform("aws-nitrotpm");
const AZURE = tdxPlatform("azure-tdx");
const SNP = snpPlatform("qemu-snp");
const MEASUREMENTS = makeMeasurements(TDX, TPM, AZURE, SNP);
const PRODUCER = { name: "Example", uri: "https://example.com" };
const scratch = mkdtempSync(join(tmpdir(), "cvm-exports-"));

afterAll(() => rmSync(scratch, { recursive: true, force: true }));

/** Exports into a folder and gives the paths. */
async function exported(format: ExportFormatName, request: Partial<ExportRequest> = {}, measurements = MEASUREMENTS) {
  const { files } = await exportMeasurements(measurements, { formats: [format], ...request });
  return files.map(({ fileName, bytes }) => {
    const path = join(scratch, fileName);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, bytes);
    return path;
  });
}

describe("a launch digest as the measurement of real launches gives it", () => {
  const metadata = [[0x81_0000, 0x1000, 0x10]] as const;
  const tables = {
    "00f771de-1a7e-4fcb-890e-68c77e2fb44e": words(0x80_b004),
    "7255371f-3a3b-4b04-927b-1da6efa8d454": words(0x81_0c00, 0x400),
  };
  const firmware = makeFirmware(tables, { metadata });
  const kernelHashes = { kernel: sha256Hex("a kernel") };
  const vcpu = { cpuModel: "EPYC-v4", vcpus: 1 };
  const launches = {
    "qemu-snp": (hashes: object) => predictSnpLaunch({ firmware, ...vcpu, ...hashes }),
    "qemu-sev-es": (hashes: object) => predictSevEsLaunch({ firmware, ...vcpu, ...hashes }),
    "qemu-sev": (hashes: object) => predictSevLaunch({ firmware, ...hashes }),
  };

  it.for(Object.entries(launches))("%s: is of the image only with its kernel's hashes", async ([name, launch]) => {
    const measured = ({ launchDigest, events }: Launch) => {
      const registers = { pcr: {}, launchDigest };
      return makeMeasurements(
        platformMeasurements(name, { events, registers, phases: {}, unpredicted: [], refused: [] }),
      );
    };
    expect(await exported("scai", {}, measured(launch({ kernelHashes })))).toHaveLength(1);
    await expect(exported("scai", {}, measured(launch({})))).rejects.toThrow(
      "got only launchDigest, with which a verifier accepts any image",
    );
  });
});

describe.skipIf(!requirePeers("jq"))("jq reads", () => {
  const jq = (filter: string, path = "") => execFileSync("jq", ["-c", filter, path], { encoding: "utf8" }).trim();
  const read = (filter: string, path = "") => JSON.parse(jq(filter, path)) as unknown;

  it("both dialects of Flashbots' proxies, and they say the same", async () => {
    const [numeric] = await exported("cvm-reverse-proxy");
    const [named] = await exported("attested-tls");
    expect(read("map(.measurement_id)", numeric)).toEqual([
      "node_1.2.3-gcp-tdx-1",
      "node_1.2.3-gcp-tdx-2",
      "node_1.2.3-azure-tdx",
    ]);
    expect(read('map(select(.attestation_type == "dcap-tdx") | .measurements["0"].expected)', numeric)).toEqual([
      sha384("one"),
      sha384("two"),
    ]);
    expect(read(".[0].measurements.mrtd.expected_any", named)).toEqual([sha384("one"), sha384("two")]);
    expect(read('.[0].measurements["2"].expected', numeric)).toBe(TDX.registers.rtmr?.[1]);
    expect(read(".[0].measurements.rtmr1.expected_any", named)).toEqual([TDX.registers.rtmr?.[1]]);
    expect(read('.[2].measurements["11"].expected', numeric)).toBe(AZURE.registers.pcr.sha256?.[11]);
    expect(read(".[1].measurements.pcr11.expected_any", named)).toEqual([AZURE.registers.pcr.sha256?.[11]]);
    expect(read("[.[] | .measurements | length] | min", numeric)).toBeGreaterThan(0);
  });

  it("Trustee's sample message by the names of its default policy", async () => {
    const [path] = await exported("trustee-rvps");
    expect(read("[.version, .type]", path)).toEqual(["0.1.0", "sample"]);
    expect(read(".payload | @base64d | fromjson", path)).toEqual({
      mr_td: [sha384("one"), sha384("two")],
      rtmr_0: [TDX.registers.rtmr?.[0]],
      rtmr_1: [TDX.registers.rtmr?.[1]],
      rtmr_2: [TDX.registers.rtmr?.[2]],
      rtmr_3: [TDX.registers.rtmr?.[3]],
      ...Object.fromEntries(
        ["04", "09", "11", "12", "13"].flatMap((index) => [
          [`tpm_pcr${index}`, [TPM.registers.pcr.sha256?.[Number(index)]]],
          [`tdx_pcr${index}`, [AZURE.registers.pcr.sha256?.[Number(index)]]],
        ]),
      ),
      snp_launch_measurement: [SNP.registers.launchDigest],
    });
  });

  it("the values that Constellation enforces, and the condition keys of KMS", async () => {
    const [constellation] = await exported("constellation");
    expect(read('[.list[] | [.csp, .attestationVariant, .measurements["4"].expected]]', constellation)).toEqual([
      ["AWS", "aws-nitro-tpm", TPM.registers.pcr.sha256?.[4]],
      ["Azure", "azure-tdx", AZURE.registers.pcr.sha256?.[4]],
    ]);
    expect(read("[.list[].measurements[].warnOnly] | any", constellation)).toBe(false);
    const [kms] = await exported("aws-kms");
    expect(read("[.Statement[].Condition.StringNotEquals | to_entries[] | {(.key): .value[0]}] | add", kms)).toEqual({
      "kms:RecipientAttestation:NitroTPMPCR4": TPM.registers.pcr.sha384?.[4],
      "kms:RecipientAttestation:NitroTPMPCR12": TPM.registers.pcr.sha384?.[12],
    });
  });
});

/** The fields that are used here. @see google/go-tdx-guest, proto/checkconfig.proto; google/go-tpm-tools, proto/tpm.proto */
const PROTO = `syntax = "proto3";
message TDQuoteBodyPolicy {
  bytes minimum_tee_tcb_svn = 1; bytes mr_seam = 2; bytes td_attributes = 3; bytes xfam = 4; bytes mr_td = 5;
  bytes mr_config_id = 6; bytes mr_owner = 7; bytes mr_owner_config = 8; repeated bytes rtmrs = 9;
  bytes report_data = 10; repeated bytes any_mr_td = 11; bool enable_td_debug_check = 12;
}
message TdxPolicy { TDQuoteBodyPolicy td_quote_body_policy = 2; }
message Config { TdxPolicy policy = 1; }
enum HashAlgo { HASH_INVALID = 0; SHA1 = 4; SHA256 = 11; SHA384 = 12; SHA512 = 13; }
message PCRs { HashAlgo hash = 1; map<uint32, bytes> pcrs = 2; }
enum GCEConfidentialTechnology { NONE = 0; AMD_SEV = 1; AMD_SEV_ES = 2; INTEL_TDX = 3; AMD_SEV_SNP = 4; }
message PlatformPolicy {
  repeated bytes allowed_scrtm_version_ids = 1; uint32 minimum_gce_firmware_version = 2;
  GCEConfidentialTechnology minimum_technology = 3;
}
message Policy { PlatformPolicy platform = 1; }
`;

describe("protoc reads", () => {
  let root: DebianRoot | undefined;

  beforeAll(() => {
    root = debianRoot("trixie", ["protobuf-compiler"]);
    writeFileSync(join(scratch, "formats.proto"), PROTO);
  });

  /** The wire format of a text. */
  function encode(message: string, path = ""): Buffer {
    const [loader, ...program] = root?.command("usr/bin/protoc") ?? [""];
    const args = [
      ...program,
      `--proto_path=${scratch}`,
      `--encode=${message}`,
      "--deterministic_output",
      "formats.proto",
    ];
    const { status, stdout, stderr } = spawnSync(loader, args, { input: readFileSync(path) });
    if (status !== 0) throw new Error(stderr.toString());
    return stdout;
  }
  /** A field whose value is bytes or a message. @see protobuf.dev, "Encoding" */
  const field = (number: number, ...parts: Buffer[]) => {
    const value = Buffer.concat(parts);
    const size = value.length < 128 ? [value.length] : [(value.length & 0x7f) | 0x80, value.length >> 7];
    return Buffer.concat([Buffer.from([(number << 3) | 2, ...size]), value]);
  };
  const varint = (number: number, value: number) => Buffer.from([number << 3, value]);
  const hex = (text = "") => Buffer.from(text, "hex");

  it("a configuration of go-tdx-guest's check, with an RTMR that is not looked at", async ({ skip }) => {
    if (!root) return void skip();
    const tdx = { xfam: "e702060000000000", mrSeam: "ab".repeat(48) };
    const [path] = await exported("go-tdx-guest", { float: ["rtmr0"], tdx });
    const { rtmr } = TDX.registers;
    const body = [
      field(2, hex(tdx.mrSeam)),
      field(4, hex(tdx.xfam)),
      ...["", rtmr?.[1], rtmr?.[2], rtmr?.[3]].map((value) => field(9, hex(value))),
      field(11, hex(sha384("one"))),
      field(11, hex(sha384("two"))),
      varint(12, 1),
    ];
    expect(encode("Config", path).toString("hex")).toBe(field(1, field(2, ...body)).toString("hex"));
  });

  it("PCRs and a policy of go-tpm-tools", async ({ skip }) => {
    if (!root) return void skip();
    const google = makeMeasurements(tpmPlatform("gcp-snp"));
    const tpmFirmware = { scrtmVersionIds: ["4700"], minimumGceVersion: 1 };
    const [pcrs, policy] = await exported("go-tpm-tools", { tpmFirmware }, google);
    const values = google.platforms[0]?.registers.pcr.sha256;
    const entries = [4, 9, 11, 12, 13].map((pcr) => field(2, varint(1, pcr), field(2, hex(values?.[pcr]))));
    expect(encode("PCRs", pcrs).toString("hex")).toBe(Buffer.concat([varint(1, 11), ...entries]).toString("hex"));
    const platform = field(1, field(1, hex("4700")), varint(2, 1), varint(3, 4));
    expect(encode("Policy", policy).toString("hex")).toBe(platform.toString("hex"));
  });
});

/** Prints CBOR as JSON: bytes as hex, maps as objects, tags with their numbers; and whether it is in canonical form. */
const CBOR_TO_JSON = `
import cbor2, datetime, json, sys, uuid
def plain(value):
    if isinstance(value, cbor2.CBORTag): return {f"tag {value.tag}": plain(value.value)}
    if isinstance(value, uuid.UUID): return {"tag 37": value.hex}
    if isinstance(value, datetime.datetime): return {"tag 1": int(value.timestamp())}
    if isinstance(value, bytes): return value.hex()
    if isinstance(value, dict): return {f"{type(k).__name__} {k}": plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)): return [plain(item) for item in value]
    return value
data = sys.stdin.buffer.read()
value = cbor2.loads(data)
again = cbor2.dumps(value, canonical=True, datetime_as_timestamp=True)
print(json.dumps({"value": plain(value), "isCanonical": again == data}))
`;

describe("cbor2 reads", () => {
  let root: DebianRoot | undefined;

  beforeAll(() => {
    root = debianRoot("trixie", ["python3-cbor2"]);
  });

  function decode(bytes: Buffer): unknown {
    const [loader, ...python] = root?.command("usr/bin/python3") ?? [""];
    const env = { PYTHONHOME: join(root?.path ?? "", "usr"), PYTHONDONTWRITEBYTECODE: "1" };
    const { status, stdout, stderr } = spawnSync(loader, [...python, "-c", CBOR_TO_JSON], { input: bytes, env });
    if (status !== 0) throw new Error(stderr.toString());
    const { value, isCanonical } = JSON.parse(stdout.toString()) as { value: unknown; isCanonical: boolean };
    expect(isCanonical).toBe(true);
    return value;
  }
  /** The CoMID of a CoRIM, which is CBOR inside CBOR, and the CoRIM around it. */
  function decodeCorim(bytes: Buffer) {
    const corim = (decode(bytes) as Record<string, Record<string, unknown>>)["tag 501"] ?? {};
    const [tag] = corim["int 1"] as [Record<string, string>];
    return { corim, comid: decode(Buffer.from(tag["tag 506"] ?? "", "hex")) as Record<string, unknown> };
  }
  const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

  it("a CoRIM with integrity registers, one triple a platform and choice of values", async ({ skip }) => {
    if (!root) return void skip();
    const validity = { notBeforeSec: 1_780_000_000, notAfterSec: 1_880_000_000 };
    const measurements = makeMeasurements(TDX, TPM, SNP);
    const [path = ""] = await exported("corim", { producer: PRODUCER, validity, float: ["pcr9"] }, measurements);
    const { corim, comid } = decodeCorim(readFileSync(path));
    expect(corim["int 0"]).toMatch(uuid);
    expect(corim["int 4"]).toEqual({ "int 0": { "tag 1": 1_780_000_000 }, "int 1": { "tag 1": 1_880_000_000 } });
    const entity = { "int 0": "Example", "int 1": { "tag 32": "https://example.com" } };
    expect(corim["int 5"]).toEqual([{ ...entity, "int 2": [1] }]);
    expect(comid["int 1"]).toEqual({ "int 0": expect.stringMatching(uuid) as string });
    expect(comid["int 2"]).toEqual([{ ...entity, "int 2": [0] }]);
    const environment = {
      "int 0": {
        "int 0": { "tag 37": expect.stringMatching(/^.{12}5/) as string },
        "int 1": "Example",
        "int 2": "node",
      },
    };
    const triple = (registers: object) => [environment, [{ "int 1": { "int 14": registers } }]];
    const { rtmr } = TDX.registers;
    const tdx = (mrtd: string) => ({
      "str mrtd": [[7, sha384(mrtd)]],
      ...Object.fromEntries([0, 1, 2, 3].map((index) => [`str rtmr${index}`, [[7, rtmr?.[index]]]])),
    });
    const pcr = (index: number) => [
      [1, TPM.registers.pcr.sha256?.[index]],
      [7, TPM.registers.pcr.sha384?.[index]],
    ];
    const pcrs = Object.fromEntries([4, 11, 12, 13].map((index) => [`int ${index}`, pcr(index)]));
    const snp = { "str launchDigest": [[7, SNP.registers.launchDigest]] };
    expect(comid["int 4"]).toEqual({ "int 0": [tdx("one"), tdx("two"), pcrs, snp].map(triple) });
  });

  it("the CoRIM in Trustee's message, its values by name", async ({ skip }) => {
    if (!root) return void skip();
    const [path = ""] = await exported("trustee-corim", {}, makeMeasurements(TDX, SNP));
    const { type, payload } = JSON.parse(readFileSync(path, "utf8")) as Record<string, string>;
    expect(type).toBe("corim");
    const { corim, comid } = decodeCorim(Buffer.from(payload ?? "", "base64"));
    expect(Object.keys(corim)).toEqual(["int 0", "int 1"]);
    const { "int 0": [triple] = [] } = comid["int 4"] as Record<string, [object, object[]][]>;
    expect(triple?.[0]).toMatchObject({ "int 0": { "int 1": "cvm-build", "int 2": "node" } });
    const { rtmr } = TDX.registers;
    expect(triple?.[1]).toEqual(
      [
        ["mr_td", sha384("one"), sha384("two")],
        ...[0, 1, 2, 3].map((index) => [`rtmr_${index}`, rtmr?.[index]]),
        ["snp_launch_measurement", SNP.registers.launchDigest],
      ].map(([key, ...values]) => ({ "int 0": key, "int 1": { "int 2": values.map((value) => [7, value]) } })),
    );
  });
});
