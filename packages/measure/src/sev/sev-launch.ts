import { createHash, type Hash } from "node:crypto";
import { digest } from "@cvm-build/bytes";
import type { MeasuredEvent } from "../event.ts";
import { readSevFirmware, type SevFirmware } from "../firmware/sev-metadata.ts";
import {
  describeHashes,
  encodeHashTable,
  hashKernelInputs,
  hashTableArea,
  type KernelHashInputs,
} from "./kernel-hashes.ts";
import type { Launch } from "./launch-pages.ts";
import { missing } from "./launch-error.ts";
import { checkCount, describeVmsa, type VcpuOptions, vcpuStart } from "./vcpus.ts";
import { initialVmsa } from "./vmm.ts";
import { Vmsa } from "./vmsa.ts";

/** A guest of SEV or SEV-ES whose launch is predicted. */
export interface SevLaunchOptions {
  firmware: Buffer;
  /** What events call the firmware's file. */
  firmwarePath?: string;
  kernelHashes?: KernelHashInputs;
}

/** A guest of SEV-ES whose launch is predicted. */
export interface SevEsLaunchOptions extends SevLaunchOptions, VcpuOptions {
  vcpus: number;
}

/**
 * The launch digest of an SEV guest: what the guest owner's key, the nonce and the policy make the measurement of.
 * @throws FormatError where the firmware's tables are malformed
 * @throws CvmError `sev-launch` where kernel hashes find no place in it
 * @see AMD SEV API, 6.5, "LAUNCH_MEASURE"
 */
export function predictSevLaunch(options: SevLaunchOptions): Launch {
  return begin(options, readSevFirmware(options.firmware)).finish();
}

/**
 * The launch digest of an SEV-ES guest: that of SEV, and the save area of each vCPU.
 * @throws FormatError where the firmware's tables are malformed
 * @throws CvmError `sev-launch` where no such guest can be started
 */
export function predictSevEsLaunch(options: SevEsLaunchOptions): Launch {
  checkCount(options.vcpus);
  const firmware = readSevFirmware(options.firmware);
  const launch = begin(options, firmware);
  const start = vcpuStart(options, BigInt(options.guestFeatures ?? 0));
  for (let index = 0; index < options.vcpus; index++) {
    if (index > 0 && firmware.resetEip === undefined) throw missing("firmware that says where further vCPUs start");
    const vmsa = { ...initialVmsa(start, index === 0 ? undefined : firmware.resetEip), ...options.registers };
    launch.add(Vmsa.encode(vmsa), { label: `vCPU ${index}`, source: { constant: describeVmsa(vmsa, start.vmm) } });
  }
  return launch.finish();
}

function begin(options: SevLaunchOptions, firmware: SevFirmware): RunningLaunch {
  const launch = new RunningLaunch();
  const { firmwarePath } = options;
  launch.add(options.firmware, {
    label: "firmware",
    source: firmwarePath === undefined ? { constant: "the firmware file" } : { file: firmwarePath },
  });
  if (options.kernelHashes) {
    const { gpa } = hashTableArea(firmware);
    const hashes = hashKernelInputs(options.kernelHashes);
    launch.add(encodeHashTable(hashes), {
      label: `kernel hashes at 0x${gpa.toString(16)}`,
      source: { constant: describeHashes(hashes) },
    });
  }
  return launch;
}

/** One SHA-256 over all that is put into the guest. */
class RunningLaunch {
  readonly #hash: Hash = createHash("sha256");
  readonly #events: MeasuredEvent[] = [];

  add(bytes: Buffer, { label, source }: Pick<MeasuredEvent, "label" | "source">): void {
    this.#hash.update(bytes);
    const digests = { sha256: digest("sha256", bytes).toString("hex") };
    this.#events.push({
      register: "launchDigest",
      type: "LAUNCH_UPDATE",
      label,
      digests,
      source,
      content: { sizeBytes: bytes.length },
    });
  }

  finish(): Launch {
    return { launchDigest: this.#hash.digest("hex"), events: this.#events };
  }
}
