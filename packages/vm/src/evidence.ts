import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { pipeline } from "node:stream/promises";
import { finishSha256, type Sha256Hex } from "@cvm-build/bytes";
import { logBytes } from "./event-log/choose.ts";
import { findEventLog } from "./event-log/find.ts";
import { ramRanges } from "./guest-memory.ts";
import { type ImageBoot, startImage } from "./image-boot.ts";
import type { Accelerator } from "./machine.ts";
import { CrbTransport } from "./tpm/crb.ts";
import { type PcrValues, readAllPcrs } from "./tpm/pcrs.ts";
import { type EndCondition, waitForEnd } from "./wait.ts";

/** A boot for its evidence. */
export interface EvidenceRequest extends ImageBoot {
  /** The boot ends with the first of these that holds. */
  until: readonly EndCondition[];
  /** After this the boot has failed. */
  timeoutSec: number;
}

/** What a boot left behind, read from outside the guest. */
export interface Evidence {
  /** Every register of every allocated bank. */
  pcrs: PcrValues;
  /** The TCG event log as firmware wrote it, its final events included. */
  eventLog: Buffer;
  /** Registers of 0..15 that the log does not explain: what the operating system extended afterwards. */
  extendedAfterLog: readonly number[];
  serial: string;
  /** What ended the boot. */
  endedBy: EndCondition;
  machine: {
    qemuVersion: string;
    firmware: { path: string; sha256: Sha256Hex };
    accelerator: Accelerator;
    cpuModel: string;
    memoryMiB: number;
    cpus: number;
  };
  /** From power-on to the end condition. */
  durationSec: number;
}

/**
 * Boots an image and reads the TPM's registers and the event log back, with no help from the guest: the guest is paused,
 * the TPM is asked through its own registers, and the log is found in RAM. Nothing is left running or on disk, whatever happens.
 * @throws VmError `boot-timeout`, `boot-failed` with the guest's last lines, `evidence`, `image`; the signal's reason
 */
export async function collectEvidence(request: EvidenceRequest): Promise<Evidence> {
  const { tools, host, memoryMiB, cpus } = request;
  const startMs = performance.now();
  await using vm = await startImage(request, { serial: "piped", onGuestExit: "freeze" });
  const endedBy = await waitForEnd(vm, request);
  const durationSec = (performance.now() - startMs) / 1000;
  await vm.pause();
  const pcrs = await readAllPcrs(new CrbTransport(vm.physical));
  const log = await findEventLog(vm.memory, { ranges: ramRanges(memoryMiB), pcrs });
  return {
    pcrs,
    eventLog: logBytes(log),
    extendedAfterLog: Array.from({ length: 16 }, (_, index) => index).filter((index) => !log.explained.includes(index)),
    serial: vm.serial?.text ?? "",
    endedBy,
    machine: {
      qemuVersion: vm.qmp.qemuVersion,
      firmware: { path: tools.firmware.codePath, sha256: await fileSha256(tools.firmware.codePath) },
      accelerator: host.accelerator,
      cpuModel: host.cpuModel,
      memoryMiB,
      cpus,
    },
    durationSec,
  };
}

async function fileSha256(path: string): Promise<Sha256Hex> {
  const hash = createHash("sha256");
  await pipeline(createReadStream(path), hash);
  return finishSha256(hash);
}
