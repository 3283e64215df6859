import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { digest, HASH_ALGORITHMS, openFileSource } from "@cvm-build/bytes";
import { BOOT_PHASES, type MeasuredEvent, pcrOf, predictUkiOnEsp, type Prediction } from "@cvm-build/measure";
import { assembleUki, type SectionName } from "@cvm-build/uki";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { exportMeasurements } from "../../packages/image/src/exports/export-measurements.ts";
import { makeMeasurements } from "../../packages/image/src/exports/measurements.fixture.ts";
import { platformMeasurements } from "../../packages/image/src/platforms/measure.ts";
import { makeKernel } from "../../packages/uki/src/pe/pe.fixture.ts";
import { requirePeers } from "../support/peers.ts";
import { type DebianRoot, debianRoot } from "../support/trixie-root.ts";
import { debianStub } from "../support/uki-parts.ts";

const PACKAGES = [
  "systemd",
  "libtss2-esys-3.0.2-0t64",
  "libtss2-rc0t64",
  "libtss2-mu-4.0.1-0t64",
  "libtss2-tcti-swtpm0t64",
];
const PCRLOCK = "usr/lib/systemd/systemd-pcrlock";
/** @see TCG PC Client Platform Firmware Profile, "Event Types" */
const EVENT_TYPE: Record<string, number> = {
  EV_SEPARATOR: 0x4,
  EV_EVENT_TAG: 0x6,
  EV_IPL: 0xd,
  EV_EFI_BOOT_SERVICES_APPLICATION: 0x8000_0003,
  EV_EFI_ACTION: 0x8000_0007,
};

/** A component made of a prediction, and systemd's own tool, which knows what a UKI extends and what becomes of PCRs. */
describe("systemd-pcrlock", () => {
  let folder: string;
  let uki: string;
  let root: DebianRoot | undefined;
  let prediction: Prediction | undefined;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "cvm-pcrlock-"));
    root = debianRoot("trixie", PACKAGES);
    const stub = debianStub("trixie");
    if (!root || !stub) return;
    uki = join(folder, "node.efi");
    assembleUki({ stub: openFileSource(stub), sections: sections(), output: uki });
    using image = openFileSource(uki);
    prediction = await predictUkiOnEsp(image, { banks: HASH_ALGORITHMS, phases: [...BOOT_PHASES], secureBoot: false });
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  it("writes the same records for a UKI, save for its kernel, which it locks by itself", async ({ skip }) => {
    if (!root || !prediction) return void skip();
    const ours = await component(prediction, ["pcr4", "pcr11"]);
    expect(ours.fileName).toBe("650-node.pcrlock");
    const locked = (command: string, image: string) => {
      const path = join(folder, `${command}.pcrlock`);
      root?.run(PCRLOCK, [command, image, `--pcrlock=${path}`]);
      return (JSON.parse(readFileSync(path, "utf8")) as { records: unknown[] }).records;
    };
    const theirs = [...locked("lock-uki", uki), ...locked("lock-pe", join(folder, "input.linux"))];
    expect((JSON.parse(ours.bytes.toString()) as { records: unknown[] }).records).toEqual(theirs);
  });

  /** Needs a mount namespace of its own, in which the kernel's log is another. */
  const mayMount = () =>
    spawnSync("unshare", ["--mount", "mount", "-t", "tmpfs", "none", "/sys/kernel/security"]).status === 0;
  const isPossible = requirePeers("swtpm", "tpm2_pcrextend", "unshare") && mayMount();

  it("recognises the boot by it, and predicts the same registers", async ({ skip }) => {
    if (!root || !prediction || !isPossible) return void skip();
    const components = join(folder, "components");
    cpSync(join(root.path, "usr/lib/pcrlock.d"), components, { recursive: true });
    const ours = await component(prediction, ["pcr4", "pcr9", "pcr11"]);
    writeFileSync(join(components, ours.fileName), ours.bytes);
    const events = [...separators(), ...prediction.events.filter(({ type, label }) => type && label !== "separator")];
    writeFileSync(join(folder, "log"), encodeLog(events));
    const output = predictWith(components, events);
    const { 4: pcr4, 9: pcr9 } = prediction.registers.pcr.sha256 ?? {};
    const lines = output.split("\n").map((line) => line.trim());
    const predicted = ["4 (boot-loader-code)", "9 (kernel-initrd)", "11 (kernel-boot)"].map(
      (name) => lines[lines.indexOf(`Results for PCR ${name}:`) + 1],
    );
    expect(predicted).toEqual([pcr4, pcr9, prediction.phases.sha256?.[""]].map((value) => `sha256: ${value}`));
  });

  async function component({ ...predicted }: Prediction, pin: string[]) {
    const measurements = makeMeasurements(platformMeasurements("qemu-ovmf", predicted));
    const { files } = await exportMeasurements(measurements, { formats: ["systemd-pcrlock"], pin });
    const [file] = files;
    if (!file) throw new Error("nothing was exported");
    return file;
  }

  function sections() {
    const contents: [SectionName, Buffer][] = [
      [".linux", makeKernel("6.12.1")],
      [".osrel", Buffer.from("ID=test\n")],
      [".cmdline", Buffer.from("quiet")],
      [".initrd", Buffer.alloc(4096, 7)],
    ];
    return contents.map(([name, bytes]) => {
      const path = join(folder, `input${name}`);
      writeFileSync(path, bytes);
      return { name, content: [openFileSource(path)] };
    });
  }

  /** Runs `predict` where the firmware's log is ours, and a TPM holds what it says. */
  function predictWith(components: string, events: readonly MeasuredEvent[]): string {
    mkdirSync(join(folder, "tpm"));
    const [loader, ...program] = root?.command(PCRLOCK) ?? [""];
    const extend = events.map(({ register, digests }) => `${pcrOf(register)}:sha256=${digests.sha256}`).join(" ");
    const script = `
      set -e
      swtpm socket --tpm2 --tpmstate dir=${folder}/tpm --flags not-need-init,startup-clear --daemon --pid file=${folder}/pid \
        --server type=unixio,path=${folder}/socket --ctrl type=unixio,path=${folder}/socket.ctrl
      trap 'kill $(cat ${folder}/pid)' EXIT
      for each in ${extend}; do tpm2_pcrextend -T swtpm:path=${folder}/socket $each; done
      mount -t tmpfs none /sys/kernel/security
      mkdir /sys/kernel/security/tpm0
      cp ${folder}/log /sys/kernel/security/tpm0/binary_bios_measurements
      export SYSTEMD_TPM2_HASH_ALGORITHMS=sha256 SYSTEMD_TPM2_DEVICE=swtpm:path=${folder}/socket
      ${[loader, ...program].join(" ")} --components=${components} --pcr=4+9+11 --location=700 predict
    `;
    const { status, stdout, stderr } = spawnSync("unshare", ["--mount", "sh", "-c", script], { encoding: "utf8" });
    if (status !== 0) throw new Error(stderr);
    return stdout;
  }
});

/** What firmware extends before it boots anything, beyond PCR 4. @see same, "EV_SEPARATOR" */
function separators(): MeasuredEvent[] {
  return [7, 0, 1, 2, 3, 4, 5, 6].map((pcr) => ({
    register: `pcr${pcr}`,
    type: "EV_SEPARATOR",
    label: "separator",
    digests: { sha256: digest("sha256", Buffer.alloc(4)).toString("hex") },
    source: {},
  }));
}

/** A crypto-agile log of one bank. @see same, "Event Logging" */
function encodeLog(events: readonly MeasuredEvent[]): Buffer {
  const u16 = (value: number) => Buffer.from([value & 0xff, value >> 8]);
  const u32 = (value: number) => {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32LE(value);
    return bytes;
  };
  const sha256 = u16(0x000b);
  const specId = [Buffer.from("Spec ID Event03\0"), u32(0), Buffer.from([0, 2, 0, 2]), u32(1), sha256, u16(32)];
  const header = Buffer.concat([...specId, Buffer.from([0])]);
  const first = [u32(0), u32(3), Buffer.alloc(20), u32(header.length), header];
  const rest = events.flatMap(({ register, type = "", label, digests }) => {
    const data = type === "EV_SEPARATOR" ? Buffer.alloc(4) : Buffer.from(label);
    const value = Buffer.from(digests.sha256 ?? "", "hex");
    return [u32(pcrOf(register) ?? 0), u32(EVENT_TYPE[type] ?? 0), u32(1), sha256, value, u32(data.length), data];
  });
  return Buffer.concat([...first, ...rest]);
}
