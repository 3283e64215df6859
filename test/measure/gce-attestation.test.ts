import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { FormatError } from "@cvm-build/bytes";
import { readEvidence } from "@cvm-build/measure";
import { afterAll, describe, expect, it } from "vitest";
import { requirePeers } from "../support/peers.ts";

/** The fields of go-tpm-tools' messages that matter here, by number. */
const PROTO = `
syntax = "proto3";
package attest;
enum HashAlgo { HASH_INVALID = 0; SHA1 = 4; SHA256 = 11; SHA384 = 12; SHA512 = 13; }
message PCRs { HashAlgo hash = 1; map<uint32, bytes> pcrs = 2; }
message Quote { bytes quote = 1; bytes raw_sig = 2; PCRs pcrs = 3; }
message Report { uint32 version = 1; uint64 policy = 3; bytes report_data = 11; bytes measurement = 12; bytes host_data = 13; }
message Snp { Report report = 1; }
message Body { bytes td_attributes = 5; bytes mr_td = 7; repeated bytes rtmrs = 11; bytes report_data = 12; }
message Tdx { Body td_quote_body = 2; uint32 signed_data_size = 3; }
message Instance { string zone = 1; uint64 project_number = 3; }
message Attestation {
  bytes ak_pub = 1; repeated Quote quotes = 2; bytes event_log = 3; Instance instance_info = 4;
  oneof tee_attestation { Snp sev_snp_attestation = 8; Tdx tdx_attestation = 9; }
}
`;

const quoted = (bytes: Buffer) => `"${[...bytes].map((byte) => `\\${byte.toString(8).padStart(3, "0")}`).join("")}"`;
const filled = (byte: number, sizeBytes = 48) => Buffer.alloc(sizeBytes, byte);

/** A TPMS_ATTEST over PCR 0 and 11 of SHA-256, and the values that it is of. */
const values = [Buffer.alloc(32), filled(0xab, 32)];
const attest = Buffer.concat([
  Buffer.from("ff5443478018000000000000000000000001000000010000000201000000000000000300000001000b03010800", "hex"),
  Buffer.of(0, 32),
  createHash("sha256").update(Buffer.concat(values)).digest(),
]);
const quotes = `
# what gotpm attest --format textproto writes
ak_pub: "\\000\\001k\\"ey"
quotes: {
  quote: ${quoted(attest)}
  raw_sig: "sig"
  pcrs: { hash: SHA256 pcrs: { key: 0 value: ${quoted(values[0] ?? Buffer.alloc(0))} }
    pcrs: { key: 11 value: ${quoted(values[1] ?? Buffer.alloc(0))} } }
}
instance_info: { zone: "europe-west4-a", project_number: 18446744073709551615 }
`;
const snp = `sev_snp_attestation { report < version: 2 policy: 720896 measurement: ${quoted(filled(0x11))} > }`;
const rtmrs = [0x30, 0x31, 0x32, 0x33].map((byte) => `rtmrs: ${quoted(filled(byte))}`).join("\n");
const tdx = `tdx_attestation { td_quote_body { td_attributes: ${quoted(filled(0, 8))} mr_td: ${quoted(filled(0x22))} ${rtmrs} } signed_data_size: 5 }`;

describe("attestations of go-tpm-tools", () => {
  const scratch = mkdtempSync(join(tmpdir(), "cvm-gce-"));
  afterAll(() => rmSync(scratch, { recursive: true, force: true }));

  const pcr = { sha256: { 0: "00".repeat(32), 11: "ab".repeat(32) } };
  const rtmr = Object.fromEntries([0, 1, 2, 3].map((index) => [index, `3${index}`.repeat(48)]));
  const cases: [string, string, object][] = [
    ["a vTPM", quotes, { pcr }],
    ["a vTPM and SEV-SNP", quotes + snp, { pcr, launchDigest: "11".repeat(48) }],
    ["a vTPM and TDX", quotes + tdx, { pcr, mrtd: "22".repeat(48), rtmr }],
  ];

  it.each(cases)("as text, of %s", (_, text, registers) => {
    const evidence = readEvidence(Buffer.from(text));
    expect(evidence).toMatchObject({ kind: "gce-attestation", registers });
    expect(evidence.checks).toEqual([{ what: "the PCR values of sha256:0,11 hash to the quoted digest", holds: true }]);
  });

  it("joins quotes of one bank, and sees where they contradict each other", () => {
    const again = quotes.slice(quotes.indexOf("quotes:"), quotes.indexOf("instance_info"));
    expect(readEvidence(Buffer.from(quotes + again))).toMatchObject({ registers: { pcr }, checks: [{}, {}] });
    const other = again.replace("\\253", "\\254");
    const checks = readEvidence(Buffer.from(quotes + other)).checks.filter(({ holds }) => !holds);
    expect(checks.map(({ what }) => what)).toEqual([
      "the PCR values of sha256:0,11 hash to the quoted digest",
      "all quotes have the same value of PCR 11 sha256",
    ]);
  });

  it("warns of a guest whose policy allows debugging", () => {
    expect(readEvidence(Buffer.from(quotes + snp)).warnings).toEqual([
      "the guest's policy allows debugging: its host can read it",
    ]);
  });

  it.skipIf(!requirePeers("protoc")).each(cases)("as protoc encodes it, of %s", (_, text) => {
    writeFileSync(join(scratch, "attest.proto"), PROTO);
    const args = [`--proto_path=${scratch}`, "--encode=attest.Attestation", "attest.proto"];
    const binary = execFileSync("protoc", args, { input: text });
    expect(readEvidence(binary)).toEqual(readEvidence(Buffer.from(text)));
    const decoded = execFileSync(
      "protoc",
      args.map((arg) => arg.replace("--encode", "--decode")),
      { input: binary },
    );
    expect(readEvidence(decoded)).toEqual(readEvidence(binary));
    expect(() => readEvidence(binary.subarray(0, -1))).toThrow(FormatError);
  });

  it.each([
    ["neither quote nor report", 'ak_pub: "key"', "expected a quote or a TEE's report, got neither"],
    ["a quote without TPMS_ATTEST", "quotes { }", "expected a TPMS_ATTEST, got none"],
    ["three RTMRs", quotes + tdx.replace(/rtmrs: "[^"]*"/, ""), "expected four of 48 bytes"],
    [
      "a short measurement",
      quotes + snp.replace(/measurement: "[^"]*"/, 'measurement: "x"'),
      "expected 48 bytes, got 1",
    ],
    ["a PCR of another size", quotes.replace("\\253", ""), "expected 32 bytes, got 31"],
    ["a log that is none", `${quotes} event_log: "x"`, "cannot decode TCG_PCClientPCREvent"],
  ])("refuses %s", (_, text, message) => {
    expect(() => readEvidence(Buffer.from(text))).toThrow(FormatError);
    expect(() => readEvidence(Buffer.from(text))).toThrow(message);
  });
});
