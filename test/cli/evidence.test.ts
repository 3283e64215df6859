import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { LogVerification, QuoteVerification, ReplayReport } from "@cvm-build/image";
import { readEventLog, rtmrOf, type CcMrIndex } from "@cvm-build/measure";
import { gunzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { cvmBuild, cvmBuildJson } from "../support/cli.ts";
import { publish, qemuBoot, VECTORS } from "../support/published.ts";

/** The verbs that hold what machines sent against what was published, on what real machines sent. */
describe.skipIf(!existsSync(VECTORS))("evidence of real machines", () => {
  const scratch = mkdtempSync(join(tmpdir(), "cvm-evidence-"));
  afterAll(() => rmSync(scratch, { recursive: true, force: true }));

  const put = (name: string, content: string | Uint8Array | object): string => {
    const path = join(scratch, name);
    const isBytes = typeof content === "string" || content instanceof Uint8Array;
    writeFileSync(path, isBytes ? content : JSON.stringify(content));
    return path;
  };

  describe("a boot under QEMU", () => {
    const name = "esp-257full-trixie-q100";
    let log: string;
    let pcrs: string;
    let published: string;

    beforeAll(() => {
      const boot = qemuBoot(name);
      log = put("boot.log", boot.log);
      pcrs = put("pcrs.json", { sha256: boot.pcrs });
      published = put("measurements.json", publish({ pcr: { sha256: boot.pcrs } }, boot.events));
    });

    it("replays to the registers of its TPM", async () => {
      const { kind, registers, events } = await cvmBuildJson<ReplayReport>(["replay", log, "--events"]);
      expect(kind).toBe("tpm");
      expect(qemuBoot(name).pcrs).toMatchObject(registers.pcr.sha256 ?? {});
      // The record that names the algorithms is none.
      expect(events).toHaveLength(50);
      const { stdout } = await cvmBuild(["replay", log, "--events", "--no-color"]);
      expect(stdout).toMatch(/^PCR 11\s+EV_IPL\s+[0-9a-f]{16}\s+\.cmdline$/m);
      expect(stdout).toMatch(/^PCR 11\s+sha256\s+fc5b7dbc21ed/m);
    });

    it("is verified against its prediction, with and without the TPM's registers", async () => {
      const alone = await cvmBuildJson<LogVerification>(["verify-log", log, "--image", published]);
      expect(alone.agrees).toBe(true);
      expect(alone.registers.map(({ register }) => register)).toEqual(
        [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 14, 15].map((pcr) => `pcr${pcr}`),
      );
      const args = ["verify-log", log, "--image", published, "--pcrs", pcrs];
      const { agreement } = await cvmBuildJson<LogVerification>(args);
      expect(agreement).toMatchObject({ agrees: true, unlogged: [], repeatedEvents: 0 });
    });

    it("ends with 4 where one section is another, and names event, both sides and setting", async () => {
      const boot = qemuBoot(name);
      const events = boot.events.map((event, index) =>
        event.label === ".cmdline" && boot.events[index - 1]?.label === ".cmdline"
          ? { ...event, digests: { sha256: "ab".repeat(32) } }
          : event,
      );
      const wrong = put("wrong.json", publish({ pcr: { sha256: { ...boot.pcrs, 11: "cd".repeat(32) } } }, events));
      const { exitCode, stdout } = await cvmBuild(["verify-log", log, "--image", wrong, "--no-color"]);
      expect(exitCode).toBe(4);
      expect(stdout).toMatch(/^PCR 11\s+sha256\s+\d+\s+differs$/m);
      expect(stdout).toMatch(/^PCR 4\s+sha256\s+\d+\s+equal$/m);
      expect(stdout).toContain("event 6 has another digest than was predicted\n");
      expect(stdout).toMatch(/predicted EV_IPL \.cmdline abababababababab, from \.cmdline, Content\.KernelCommandLine/);
      expect(stdout).toMatch(/real {6}EV_IPL \.cmdline [0-9a-f]{16}\n/);
    });

    it("does not believe a log that leads elsewhere than the TPM's registers", async () => {
      const other = put("other.json", { sha256: { ...qemuBoot(name).pcrs, 4: "ee".repeat(32) } });
      const args = ["verify-log", log, "--image", published, "--pcrs", other, "--no-color"];
      const { exitCode, stdout } = await cvmBuild(args);
      expect(exitCode).toBe(4);
      expect(stdout).toContain("the log does not lead to the machine's registers: PCR 4\n");
    });
  });

  describe("a TD of Google's", () => {
    const quote = join(VECTORS, "eventlogs/go-tdx-guest/cos-113-tdx-quote.dat");
    let log: string;
    let truth: { mrtd: string; rtmr: string[] };

    /** What would have been published for the TD: its quote's registers, its log's events. */
    const publishTd = (rtmr: Record<number, string>) => {
      const events = readEventLog(readFileSync(log))
        .events.filter(({ eventType }) => eventType !== 3)
        .map(({ register, typeName, digests }) => ({
          register: `rtmr${rtmrOf(register as CcMrIndex) ?? 9}` as const,
          type: typeName,
          label: "event",
          digests,
          source: {},
        }));
      return publish({ pcr: {}, mrtd: truth.mrtd, rtmr }, events);
    };

    beforeAll(() => {
      log = put("ccel", gunzipSync(readFileSync(join(VECTORS, "eventlogs/go-tdx-guest/ccel_data.dat.gz"))));
      const path = join(VECTORS, "eventlogs/go-tdx-guest/expected.json");
      const expected = JSON.parse(readFileSync(path, "utf8")) as Record<string, typeof truth>;
      truth = expected["cos-113-tdx-quote.dat"] ?? { mrtd: "", rtmr: [] };
    });

    it("is verified by its quote and log, and says that no signature was", async () => {
      const published = put("td.json", publishTd({ ...truth.rtmr }));
      const args = ["verify-quote", quote, "--image", published, "--log", log];
      const report = await cvmBuildJson<QuoteVerification>(args);
      expect(report).toMatchObject({ agrees: true, kind: "tdx-quote", missing: [], notCovered: [], unresolved: [] });
      expect(report.registers.map(({ register, verdict }) => [register, verdict])).toEqual(
        ["mrtd", "rtmr0", "rtmr1", "rtmr2", "rtmr3"].map((register) => [register, "equal"]),
      );
      expect(report.log?.agreement).toMatchObject({ agrees: true, unlogged: [] });
      expect(report.log?.agreement.registers.map(({ register }) => register)).toEqual(["rtmr0", "rtmr1", "rtmr2"]);
      const { stdout } = await cvmBuild([...args, "--no-color"]);
      expect(stdout).toContain("not checked: the quote's signature and its certificates up to Intel's");
      const verifyLog = ["verify-log", log, "--image", published];
      expect((await cvmBuildJson<LogVerification>(verifyLog)).agrees).toBe(true);
    });

    it("ends with 4 where another RTMR was published, or the log is another machine's", async () => {
      const wrong = put("td-wrong.json", publishTd({ ...truth.rtmr, 1: "ab".repeat(48) }));
      const differs = await cvmBuild(["verify-quote", quote, "--image", wrong, "--no-color"]);
      expect(differs.exitCode).toBe(4);
      expect(differs.stdout).toMatch(/^RTMR 1\s+sha384\s+[0-9a-f]{96}\s+differs$/m);
      expect(differs.stdout).toContain(`RTMR 1 sha384 was published as ${"ab".repeat(48)}\n`);
      const published = put("td.json", publishTd({ ...truth.rtmr }));
      const foreign = join(VECTORS, "eventlogs/dstack/ccel.bin");
      const args = ["verify-quote", quote, "--image", published, "--log", foreign, "--no-color"];
      const other = await cvmBuild(args);
      expect(other.exitCode).toBe(4);
      expect(other.stdout).toContain("the log does not lead to the machine's registers: RTMR 0, RTMR 1\n");
    });

    it("needs a platform of its kind, and a file that is there", async () => {
      const published = put("pcr.json", publish({ pcr: { sha256: { 0: "00".repeat(32) } } }, []));
      const none = await cvmBuild(["verify-quote", quote, "--image", published]);
      expect([none.exitCode, none.stderr]).toEqual([2, expect.stringContaining("got none that fits") as string]);
      const named = await cvmBuild(["verify-quote", quote, "--image", published, "--platform", "test"]);
      expect([named.exitCode, named.stderr]).toEqual([
        3,
        expect.stringContaining("expected registers that were") as string,
      ]);
      const missing = await cvmBuild(["verify-quote", join(scratch, "none"), "--image", published]);
      expect([missing.exitCode, missing.stderr]).toEqual([
        3,
        expect.stringContaining("cannot read evidence") as string,
      ]);
      const noLog = await cvmBuild(["verify-log", quote, "--image", published]);
      expect([noLog.exitCode, noLog.stderr]).toEqual([3, expect.stringContaining("cannot decode event log") as string]);
    });
  });

  it("dstack's wrapper brings its log along", async () => {
    const folder = join(VECTORS, "eventlogs/dstack");
    const expected = JSON.parse(readFileSync(join(folder, "expected.json"), "utf8")) as Record<
      string,
      { quote: { mrtd: string; rtmr: string[] } }
    >;
    const { mrtd = "", rtmr = [] } = expected["quote-report.json"]?.quote ?? {};
    const published = put("dstack.json", publish({ pcr: {}, mrtd, rtmr: { ...rtmr } }, []));
    const args = ["verify-quote", join(folder, "quote-report.json"), "--image", published];
    const report = await cvmBuildJson<QuoteVerification>(args);
    expect(report).toMatchObject({ agrees: true, log: { agreement: { agrees: true, unlogged: [] } } });
    expect(report.log?.agreement.registers).toHaveLength(4);
  });

  it("a report of a Milan machine has the launch digest of its inputs", async () => {
    const folder = join(VECTORS, "eventlogs/dstack");
    const real = readFileSync(join(folder, "sev-snp-real.json"), "utf8");
    const launchDigest = /"([0-9a-f]{96})"/.exec(real.slice(real.indexOf("7f51e17f72a0") - 1))?.[1] ?? "";
    expect(launchDigest).toMatch(/^7f51e17f72a0/);
    const published = put("snp.json", publish({ pcr: {}, launchDigest }, []));
    const args = ["verify-quote", join(folder, "sev_snp_attestation.bin"), "--image", published];
    const report = await cvmBuildJson<QuoteVerification>(args);
    expect(report).toMatchObject({ agrees: true, registers: [{ register: "launchDigest", verdict: "equal" }] });
  });
});
