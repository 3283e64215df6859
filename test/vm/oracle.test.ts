import { execFile, execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, expect, it } from "vitest";
import { collectEvidence, type PcrValues } from "@cvm-build/vm";
import { findHere } from "./here.ts";
import { makeTestImage, READY } from "./test-image.ts";

/** Boots images too, reads the TPM from between QEMU and swtpm, and shares no code with us. */
const ORACLE = join(import.meta.dirname, "../../../shared/tools/measured-boot/boot.py");

const folder = mkdtempSync(join(tmpdir(), "cvm-vm-oracle-"));
const here = existsSync(ORACLE) ? await findHere(folder) : undefined;
const image = here && makeTestImage(folder, "shell");

afterAll(() => rmSync(folder, { recursive: true, force: true }));

it.skipIf(!here || !image)("equals what an independent harness reads of the same image", async () => {
  const out = join(folder, "oracle");
  const oracle = promisify(execFile)(
    "python3",
    [ORACLE, "--mode", "esp", "--uki", image!, "--out", out, "--no-guest", "--until", `serial:${READY}`].concat(
      ["--banks", "sha1,sha256,sha384,sha512", "--qemu", here!.tools.qemu, "--timeout", "200"],
      ["--ovmf-code", here!.tools.firmware.codePath, "--ovmf-vars", here!.tools.firmware.varsPath ?? ""],
    ),
  );
  const ours = collectEvidence({
    ...here!,
    imagePath: image!,
    memoryMiB: 1024,
    cpus: 1,
    network: "none",
    until: [{ kind: "serial-contains", text: READY }],
    timeoutSec: 200,
    temporaryDirectory: folder,
  });
  const [evidence] = await Promise.all([ours, oracle]);

  const theirs = JSON.parse(readFileSync(join(out, "pcrs.json"), "utf8")) as PcrValues;
  expect(withoutDiskRegisters(evidence.pcrs)).toEqual(withoutDiskRegisters(theirs));
  expect(withoutDiskEvents(oracleReads(evidence.eventLog))).toEqual(
    withoutDiskEvents(JSON.parse(readFileSync(join(out, "eventlog.json"), "utf8")) as OracleEvent[]),
  );
});

/** The oracle's disk has a GPT, whose event is in PCR 5 and so in what IMA makes of PCR 0 to 9. */
function withoutDiskRegisters(pcrs: PcrValues): unknown {
  return Object.fromEntries(
    Object.entries(pcrs).map(([bank, { 5: _gpt, 10: _ima, ...others }]) => [bank, others] as const),
  );
}

interface OracleEvent {
  pcr: number;
  type: string;
  digests: Record<string, string>;
  data: string;
}

/** Our log as the oracle's own reader has it. */
function oracleReads(log: Buffer): OracleEvent[] {
  const program =
    "import sys, json, boot; print(json.dumps([e.json() for e in boot.parse_log(sys.stdin.buffer.read())[2]]))";
  const environment = { ...process.env, PYTHONPATH: join(ORACLE, ".."), PYTHONDONTWRITEBYTECODE: "1" };
  const text = execFileSync("python3", ["-c", program], { input: log, env: environment, encoding: "utf8" });
  return JSON.parse(text) as OracleEvent[];
}

/** Our disk has no GPT and so no GPT event, and the device path of what was loaded, which is in no digest, names another partition. */
function withoutDiskEvents(events: readonly OracleEvent[]): OracleEvent[] {
  return events
    .filter(({ type }) => type !== "EV_EFI_GPT_EVENT")
    .map((event) => (event.type === "EV_EFI_BOOT_SERVICES_APPLICATION" ? { ...event, data: "" } : event));
}
