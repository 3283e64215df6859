import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { HashAlgorithm } from "@cvm-build/bytes";
import type { QuoteVerification } from "@cvm-build/image";
import { type Evidence, readEvidence, readEventLog, readPcrValues, withPcrValues } from "@cvm-build/measure";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { cvmBuild, cvmBuildJson } from "../support/cli.ts";
import { requirePeers } from "../support/peers.ts";
import { publish, qemuBoot, VECTORS } from "../support/published.ts";
import { SoftwareTpm } from "../support/software-tpm.ts";

const PEERS = requirePeers("swtpm", "tpm2_quote", "tpm2_pcrread", "tpm2_pcrextend", "tpm2_create");
const SELECTION = "sha1:0,4,11+sha256:0,1,2,3,4,5,6,7,8,9,11,12,13,14,15,17";

/** A TPM that measured what a real machine did, and quotes it. */
describe.skipIf(!PEERS || !existsSync(VECTORS))("quotes of a TPM", () => {
  const boot = existsSync(VECTORS) ? qemuBoot("esp-257full-trixie-q100") : undefined;
  let tpm: SoftwareTpm;
  let quote: Evidence;
  const file = (name: string) => join(tpm.folder, name);

  beforeAll(async () => {
    tpm = await SoftwareTpm.start();
    const log = readEventLog(boot?.log ?? Buffer.alloc(0));
    for (const { register, eventType, digests } of log.events) {
      if (eventType === 3) continue;
      const banks = (["sha1", "sha256"] as const).map((bank: HashAlgorithm) => `${bank}=${digests[bank] ?? ""}`);
      tpm.run("tpm2_pcrextend", `${register}:${banks.join(",")}`);
    }
    tpm.makeAttestationKey();
    const output = ["-m", "quote.msg", "-s", "quote.sig"];
    tpm.run("tpm2_quote", "-Q", "-c", "ak.ctx", "-l", SELECTION, "-q", "c0ffee", ...output, "-o", "quote.pcrs");
    tpm.run(
      "tpm2_quote",
      "-Q",
      "-c",
      "ak.ctx",
      "-l",
      SELECTION,
      ...output.map((name) => name.replace("quote", "raw")),
      "-o",
      "raw.pcrs",
      "-F",
      "values",
    );
    writeFileSync(file("text.pcrs"), tpm.run("tpm2_pcrread", SELECTION));
    writeFileSync(file("boot.log"), boot?.log ?? "");
    quote = readEvidence(readFileSync(file("quote.msg")));
  });

  afterAll(async () => tpm[Symbol.asyncDispose]());

  it("say what was selected and asked", () => {
    expect(quote).toMatchObject({ kind: "tpm-quote", fields: { extraData: "c0ffee", safe: "0x1" } });
    expect(quote.pcrQuotes.map(({ selections }) => selections)).toEqual([
      [
        { bank: "sha1", pcrs: [0, 4, 11] },
        { bank: "sha256", pcrs: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 14, 15, 17] },
      ],
    ]);
  });

  it.each(["quote.pcrs", "raw.pcrs", "text.pcrs"])("are of the values in %s, which are the boot's", (name) => {
    const values = readPcrValues(readFileSync(file(name)), quote.pcrQuotes[0]?.selections);
    const { checks, registers } = withPcrValues(quote, values);
    expect(checks.map(({ holds }) => holds)).toEqual([true]);
    expect(Object.keys(registers.pcr.sha1 ?? {})).toEqual(["0", "4", "11"]);
    expect({ ...boot?.pcrs, 17: "f".repeat(64) }).toMatchObject(registers.pcr.sha256 ?? {});
  });

  it("read the same with the size before them", () => {
    const message = readFileSync(file("quote.msg"));
    expect(readEvidence(Buffer.concat([Buffer.of(message.length >> 8, message.length & 0xff), message]))).toEqual(
      quote,
    );
  });

  describe("held against what was published", () => {
    let published: string;
    const verify = (...args: string[]) => ["verify-quote", file("quote.msg"), "--image", published, ...args];

    beforeAll(() => {
      const { 12: _, ...pcrs } = boot?.pcrs ?? {};
      published = file("measurements.json");
      const unpredicted = [{ register: "pcr12", reason: "not told" }];
      writeFileSync(published, JSON.stringify(publish({ pcr: { sha256: pcrs } }, boot?.events ?? [], { unpredicted })));
    });

    it.each([
      ["with their values", ["--pcrs", "quote.pcrs"]],
      ["with the log in place of the values", ["--log", "boot.log"]],
      ["with both", ["--pcrs", "text.pcrs", "--log", "boot.log"]],
    ])("agree %s", async (_, args) => {
      const report = await cvmBuildJson<QuoteVerification>(
        verify(...args.map((arg) => (arg.startsWith("--") ? arg : file(arg)))),
      );
      expect(report.agrees).toBe(true);
      expect(report.registers.filter(({ verdict }) => verdict === "equal").map(({ register }) => register)).toEqual(
        [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 13, 14, 15].map((pcr) => `pcr${pcr}`),
      );
      expect(report.missing).toEqual([]);
      const pcr12 = report.registers.find(({ register }) => register === "pcr12");
      expect(pcr12).toMatchObject({ verdict: "unpublished", reason: "not told" });
    });

    it("cannot be compared where nobody knows the values", async () => {
      const { exitCode, stderr } = await cvmBuild(verify());
      expect(exitCode).toBe(3);
      expect(stderr).toContain(
        "expected values of sha1:0, sha1:4, sha1:11, sha256:12, sha256:17, got a digest over them",
      );
      expect(stderr).toContain("--pcrs FILE");
    });

    it("differ once the TPM measures more, and values of before do not hash to the digest", async () => {
      tpm.run("tpm2_pcrextend", `9:sha1=${"11".repeat(20)},sha256=${"11".repeat(32)}`);
      const output = ["-m", "later.msg", "-s", "later.sig", "-o", "later.pcrs"];
      tpm.run("tpm2_quote", "-Q", "-c", "ak.ctx", "-l", SELECTION, ...output);
      const later = ["verify-quote", file("later.msg"), "--image", published];
      const own = await cvmBuild([...later, "--pcrs", file("later.pcrs"), "--log", file("boot.log"), "--no-color"]);
      expect(own.exitCode).toBe(4);
      expect(own.stdout).toMatch(/^PCR 9\s+sha256\s+[0-9a-f]{64}\s+differs$/m);
      expect(own.stdout).toContain("the log does not lead to the machine's registers: PCR 9\n");
      const former = await cvmBuild([...later, "--pcrs", file("quote.pcrs"), "--no-color"]);
      expect(former.exitCode).toBe(4);
      expect(former.stdout).toContain("does not hold: the PCR values of sha1:0,4,11+sha256:0,1,2");
      const bare = await cvmBuild([...later, "--log", file("boot.log"), "--no-color"]);
      expect(bare.exitCode).toBe(4);
      expect(bare.stdout).toContain("the quoted digest is not that of the published values: sha1:0,4,11+sha256:0,1,2");
    });
  });
});
