import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { digest, FormatError } from "@cvm-build/bytes";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { makeLog } from "../eventlog/eventlog.fixture.ts";
import { replayCcel } from "../eventlog/replay.ts";
import { dumpEvidence } from "./dump.ts";
import { filled, makeHclReport, makeSnpReport, makeTdReport, makeTdxQuote, makeTpmQuote } from "./evidence.fixture.ts";
import { readEvidence } from "./reader.ts";
import { ReportResponse } from "./snp/format.ts";

const vectors = join(import.meta.dirname, "../../../../../shared/vectors/eventlogs");
const read = (...path: string[]) => readFileSync(join(vectors, ...path));
const hex = (byte: string) => byte.repeat(48);

describe.skipIf(!existsSync(vectors))("readEvidence on what real machines said", () => {
  const expected = (origin: string) =>
    JSON.parse(read(origin, "expected.json").toString()) as Record<
      string,
      { mrtd: string; rtmr: string[]; quote: { mrtd: string; rtmr: string[] } }
    >;

  it.each(["cos-113-tdx-quote.dat", "tdx_prod_quote_SPR_E4.dat"])("%s has its registers", (name) => {
    const { kind, title, registers } = readEvidence(read("go-tdx-guest", name));
    const { mrtd, rtmr } = expected("go-tdx-guest")[name] ?? {};
    expect([kind, title]).toEqual(["tdx-quote", "TDX quote, version 4, body of TDX 1.0"]);
    expect(registers).toEqual({ pcr: {}, mrtd, rtmr: { ...rtmr } });
  });

  it("replays the log that dstack sends along to the quote's RTMRs, all four", () => {
    const { kind, registers, log, checks, fields } = readEvidence(read("dstack", "quote-report.json"));
    const { mrtd, rtmr } = expected("dstack")["quote-report.json"]?.quote ?? {};
    expect(kind).toBe("dstack-attestation");
    expect(registers).toEqual({ pcr: {}, mrtd, rtmr: { ...rtmr } });
    expect(log?.kind === "ccel" && replayCcel(log.log)).toEqual({ ...rtmr });
    expect(checks).toEqual([{ what: "dstack's runtime events hash to their digests", holds: true }]);
    expect(fields["vmConfig"]).toContain('"memory_size": 68719476736');
  });

  it("finds the launch digest of a real Milan machine in dstack's binary attestation", () => {
    const { title, registers, fields } = readEvidence(read("dstack", "sev_snp_attestation.bin"));
    expect(title).toBe("dstack's attestation: SEV-SNP attestation report, version 3");
    expect(registers.launchDigest).toMatch(/^7f51e17f72a04d5422cb2c00998166536019a217376f3aa45a630e59c805a599/);
    expect(fields["hostData"]).toBe("783f0057820acb99249af56cc3b07b4e8d80f65183167cba9cf437bb680f742f");
    expect(fields["chipId"]).toMatch(/^38d174589d2dff97/);
  });

  it.each([
    ["go-tdx-guest", "cos-113-tdx-quote.dat"],
    ["dstack", "quote-report.json"],
    ["dstack", "sev_snp_attestation.bin"],
  ])("of damaged %s/%s makes evidence or a FormatError", (origin, name) => {
    const original = read(origin, name);
    const mutation = fc.tuple(fc.nat(original.length - 1), fc.nat(255));
    fc.assert(
      fc.property(fc.array(mutation, { maxLength: 6 }), fc.nat(original.length), (mutations, cut) => {
        const bytes = Buffer.from(original.subarray(0, cut % 2 === 0 ? cut : original.length));
        for (const [offset, value] of mutations) if (offset < bytes.length) bytes[offset] = value;
        try {
          dumpEvidence(readEvidence(bytes));
        } catch (error) {
          expect(error).toBeInstanceOf(FormatError);
        }
      }),
      { seed: 1, numRuns: 500 },
    );
  });
});

describe("readEvidence", () => {
  it("reads quotes of version 5, with the body of TDX 1.0 and of 1.5", () => {
    const rtmr = { 0: hex("30"), 1: hex("31"), 2: hex("32"), 3: hex("33") };
    for (const [bodyType, title] of [
      [2, "TDX quote, version 5, body of TDX 1.0"],
      [3, "TDX quote, version 5, body of TDX 1.5"],
    ] as const) {
      const evidence = readEvidence(makeTdxQuote({ version: 5, bodyType }));
      expect(evidence).toMatchObject({ title, registers: { mrtd: hex("22"), rtmr } });
      expect(evidence.fields["mrServiceTd"]).toBe(bodyType === 3 ? hex("44") : undefined);
    }
  });

  it("warns of machines that may be debugged or moved", () => {
    expect(readEvidence(makeTdxQuote({ tdAttributes: 1n })).warnings).toEqual([
      "the TD is one for debugging: its host can read and change it",
    ]);
    expect(readEvidence(makeSnpReport({ policy: 0xe0000n })).warnings).toEqual([
      "the guest's policy allows debugging: its host can read it",
      "the guest's policy allows a migration agent",
    ]);
  });

  it.each([2, 3, 4, 5])("reads version %d of an SNP report, alone, answered and with certificates", (version) => {
    const report = makeSnpReport({ version });
    const head = ReportResponse.encode({ status: 0, reportSizeBytes: 1184, reserved: Buffer.alloc(24) });
    for (const bytes of [report, Buffer.concat([head, report]), Buffer.concat([report, filled(4096, 7)])]) {
      expect(readEvidence(bytes)).toMatchObject({ kind: "snp-report", registers: { launchDigest: hex("11") } });
    }
  });

  it("reads a TDREPORT, and checks its own hash", () => {
    const report = makeTdReport();
    expect(readEvidence(report)).toMatchObject({
      kind: "td-report",
      registers: { mrtd: hex("22"), rtmr: { 2: hex("32") } },
      checks: [{ holds: true }],
    });
    report[0x200 + 0x10] = 0;
    expect(readEvidence(report).checks).toMatchObject([{ holds: false }]);
  });

  it.each([
    ["snp", { launchDigest: hex("11") }, ["the runtime data hashes to the report data"]],
    [
      "tdx",
      { mrtd: hex("22") },
      ["the runtime data hashes to the report data", "the TD's information hashes to teeInfoHash"],
    ],
  ] as const)("reads Azure's HCL report with a report of %s", (kind, registers, whats) => {
    const evidence = readEvidence(makeHclReport(kind, '{"keys":[]}'));
    expect(evidence).toMatchObject({ kind: "azure-hcl-report", registers, fields: { runtimeData: '{"keys":[]}' } });
    expect(evidence.checks).toEqual(whats.map((what) => ({ what, holds: true })));
    const changed = makeHclReport(kind, '{"keys":[]}');
    changed.write("K", changed.indexOf("keys"));
    expect(readEvidence(changed).checks[0]?.holds).toBe(false);
  });

  it("reads what is passed on as text", () => {
    const quote = makeTdxQuote();
    const inHex = quote.toString("hex");
    const lines = quote.toString("base64").replaceAll(/.{64}/g, "$&\n");
    for (const text of [inHex, `0x${inHex.toUpperCase()}\n`, lines, quote.toString("base64url")]) {
      expect(readEvidence(Buffer.from(text))).toEqual(readEvidence(quote));
    }
    expect(() => readEvidence(Buffer.from(inHex.slice(0, 1000)))).toThrow("cannot decode TD Quote Body");
  });

  it("shows evidence line by line", () => {
    const text = dumpEvidence(readEvidence(makeTpmQuote(digest("sha256", Buffer.alloc(64)))));
    expect(text.split("\n").slice(0, 5)).toEqual([
      "TPM 2.0 quote of sha256:0,11",
      "quote of sha256:0,11 = f5a5fd42d16a20302798ef6ed309979b43003d2320d9f0e8ea9831a92759fb4b",
      `qualifiedSigner = ${"01".repeat(34)}`,
      `extraData = ${Buffer.from("nonce").toString("hex")}`,
      "clock = 0x5",
    ]);
  });

  const snp = makeSnpReport();
  it.each<[string, Buffer, string]>([
    ["nothing", Buffer.alloc(0), "expected a quote, a report or an attestation"],
    ["text", Buffer.from("hello"), "expected a quote, a report or an attestation"],
    ["too much", Buffer.alloc((1 << 24) + 1), "expected at most 16777216 bytes"],
    [
      "a cut quote",
      makeTdxQuote().subarray(0, 600),
      "cannot decode TD Quote Body at 0x30: expected 584 bytes, got 552",
    ],
    [
      "a quote of an unknown body",
      makeTdxQuote({ version: 5, bodyType: 1 }),
      "bodyType at 0x36: expected that of a TD",
    ],
    ["a quote of SGX", makeTdxQuote({ teeType: 0 }), "expected a quote, a report or an attestation"],
    ["a cut HCL report", makeHclReport("snp", "{}").subarray(0, 1236), "runtimeData at 0x4d4: expected 2 bytes, got 0"],
    ["an SNP report of a later version", makeSnpReport({ version: 6 }), "expected a quote, a report or an attestation"],
    ["a cut SNP report", snp.subarray(0, 1183), "expected a quote, a report or an attestation"],
    ["a TPM's certification", makeTpmQuote(Buffer.alloc(32), { type: 0x8017 }), "expected a quote, 0x8018, got 0x8017"],
    ["a quote of a bank of SM3", makeTpmQuote(Buffer.alloc(32), { bank: 0x12 }), "expected a known bank, got 0x12"],
    ["a quote with an odd digest", makeTpmQuote(Buffer.alloc(31)), "expected 20, 32, 48 or 64 bytes, got 31"],
    ["a quote that goes on", Buffer.concat([makeTpmQuote(Buffer.alloc(32)), Buffer.of(1)]), "got 1 more bytes"],
    ["JSON of another kind", Buffer.from('{"quote": "xyz"}'), "dstack attestation.quote: expected hex"],
    ["JSON that ends early", Buffer.from('{"quote": "00"'), "expected JSON, got a syntax error"],
    [
      "a log that is no list",
      Buffer.from(JSON.stringify({ quote: makeTdxQuote().toString("hex"), event_log: "{}" })),
      "event_log: expected a list",
    ],
  ])("refuses %s", (_, bytes, message) => {
    expect(() => readEvidence(bytes)).toThrow(FormatError);
    expect(() => readEvidence(bytes)).toThrow(message);
  });

  it("knows an event log that is given for evidence", () => {
    const separator = { register: 5, eventType: 4, data: Buffer.alloc(4), digests: { sha1: "00".repeat(20) } };
    expect(() => readEvidence(makeLog([separator]))).toThrow(
      expect.objectContaining({ hint: "it looks like an event log, which verify-log and replay read" }),
    );
  });

  it("gives evidence or a FormatError for mutated bytes", () => {
    const dstack = Buffer.from(
      JSON.stringify({
        quote: makeTdxQuote().toString("hex"),
        event_log: [{ imr: 3, event_type: 0x08000001, event: "app-id", event_payload: "00" }],
      }),
    );
    const scale = Buffer.concat([Buffer.of(0, 3, 0x81, 0x12), snp]);
    const originals = [makeTdxQuote(), makeTdxQuote({ version: 5, bodyType: 3 }), snp, makeTdReport(), dstack, scale];
    originals.push(makeHclReport("snp", "{}"), makeHclReport("tdx", "{}"), makeTpmQuote(Buffer.alloc(32)));
    const mutation = fc.tuple(fc.nat(3000), fc.nat(255));
    fc.assert(
      fc.property(
        fc.constantFrom(...originals),
        fc.array(mutation, { maxLength: 8 }),
        fc.nat(9000),
        (original, mutations, cut) => {
          const bytes = Buffer.from(original.subarray(0, cut % 3 === 0 ? cut / 3 : original.length));
          for (const [offset, value] of mutations) if (offset < bytes.length) bytes[offset] = value;
          try {
            expect(dumpEvidence(readEvidence(bytes))).toMatch(/\n$/);
          } catch (error) {
            expect(error).toBeInstanceOf(FormatError);
          }
        },
      ),
      { seed: 1, numRuns: 3000 },
    );
  });
});
