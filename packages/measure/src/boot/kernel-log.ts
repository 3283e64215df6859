import { bytesSource, type ByteSource, CvmError } from "@cvm-build/bytes";
import { addLoadOptions } from "../kernel-events.ts";
import type { Unmeasured } from "../prediction.ts";
import { readWhole } from "../read-whole.ts";
import type { Boot, KernelPath } from "./boot.ts";
import { KERNEL_FILE, partsOfImage } from "./firmware-log.ts";
import { FIRST_KERNEL, kernelBefore } from "./kernel-version.ts";
import { FIRST_QEMU, isKernelPatched, OLD_QEMU, patchKernel } from "./patched-kernel.ts";
import type { BootDraft } from "./boot-draft.ts";
import { isAtLeast } from "./version.ts";

/** First OVMF that names the initrd in front of the command line. */
const INITRD_FIRST_SINCE = "2025.08";
const INITRD_OPTION = "initrd=initrd";
/** Releases of OVMF that were seen to start a kernel by its old entry point where Secure Boot refuses it, and not to. */
const HANDS_OVER_UNTIL = "2025.02";
const REFUSES_SINCE = "2026.08";

/**
 * Adds what is measured when QEMU hands a kernel to firmware.
 * @returns what runs without being measured
 * @throws FormatError where QEMU would not load the kernel, or it is no EFI application; CvmError `secure-boot` where
 * firmware would not start it
 */
export function addKernel(path: KernelPath, log: BootDraft): Unmeasured[] {
  const { draft, open, firmware, boot } = log;
  const handed = handedKernel(path, boot);
  if ("doubt" in handed) open.leave([4], handed.doubt);
  const content = "doubt" in handed ? path.kernel : handed.kernel;
  const verdict = firmware.judge(content);
  const refusal = verdict && "refusal" in verdict ? verdict.refusal : undefined;
  if ("doubt" in handed && verdict) open.leave([7, 9], handed.doubt);
  const unmeasured = refusal === undefined ? [] : handOver(refusal, log);
  if (refusal === undefined) {
    const authority = verdict && "authority" in verdict ? verdict.authority : undefined;
    const image = { path: KERNEL_FILE, source: { file: KERNEL_FILE }, parts: partsOfImage(content), authority };
    firmware.addImage(image, { fromDisk: false });
  }
  firmware.addBootAttempts();
  const release = kernelBefore(FIRST_KERNEL, path.kernel);
  if (release !== undefined) open.leave([9], `what Linux ${release} measures was not verified; ${FIRST_KERNEL} was`);
  const options = refusal === undefined ? loadOptions(path, log) : "";
  if (options !== "") addLoadOptions(draft, options, { constant: "-append" });
  if (path.initrd && path.initrd.sizeBytes > 0) {
    const digest = draft.hash([{ offsetBytes: 0, sizeBytes: path.initrd.sizeBytes }], { recurs: true });
    draft.add({ pcr: 9, type: "EV_EVENT_TAG", label: "Linux initrd", source: { constant: "-initrd" }, digest });
  }
  return unmeasured;
}

/** The kernel's bytes as firmware gets them, or why they are not known. */
function handedKernel(
  { kernel, initrd, commandLine = "" }: KernelPath,
  boot: Boot,
): { kernel: ByteSource } | { doubt: string } {
  const { memoryBytes, qemuVersion, guest = "plain" } = boot.machine ?? {};
  const firmwareRelease = boot.firmware?.release;
  if (guest !== "sev") {
    if (qemuVersion === undefined || firmwareRelease === undefined) {
      return { doubt: "whether QEMU writes into the kernel's header depends on its version and the firmware's" };
    }
    if (!isAtLeast(qemuVersion, FIRST_QEMU)) return { doubt: OLD_QEMU };
    if (isKernelPatched({ qemuVersion, firmwareRelease, guest })) {
      if (memoryBytes === undefined)
        return { doubt: "QEMU writes an address that depends on memory size into the kernel" };
      const initrdBytes = initrd?.sizeBytes;
      return { kernel: bytesSource(patchKernel(kernel, { memoryBytes, commandLine, initrdBytes })) };
    }
  }
  return { kernel: bytesSource(readWhole(kernel)) };
}

/** What the kernel's EFI stub is told: the command line, and where the initrd is. */
function loadOptions({ initrd, commandLine = "" }: KernelPath, { open, boot }: BootDraft): string {
  if (!initrd || initrd.sizeBytes === 0) return commandLine;
  const release = boot.firmware?.release;
  if (release === undefined) {
    open.leave([9], "where the firmware names the initrd on the command line depends on its version");
    return commandLine;
  }
  const isFirst = isAtLeast(release, INITRD_FIRST_SINCE);
  return isFirst ? `${INITRD_OPTION} ${commandLine}` : `${commandLine} ${INITRD_OPTION}`;
}

/** What becomes of a kernel that Secure Boot refuses: it runs unmeasured, or nobody has looked, or there is no boot. */
function handOver(refusal: string, { open, boot }: BootDraft): Unmeasured[] {
  const release = boot.firmware?.release;
  if (release !== undefined && isAtLeast(release, REFUSES_SINCE)) {
    throw new CvmError(
      "secure-boot",
      `cannot predict a boot of "${KERNEL_FILE}": expected an image that the firmware starts, got ${refusal}`,
      { hint: "sign the kernel, and use a QEMU that does not write into it, 10.0 or later" },
    );
  }
  if (release === undefined || !isAtLeast(HANDS_OVER_UNTIL, release)) {
    const doubt = `whether OVMF ${release ?? "of an unknown version"} starts a kernel that Secure Boot refuses was not verified`;
    open.leave([4, 5, 7, 9], doubt);
    return [];
  }
  const reason = `Secure Boot refuses it, as ${refusal}, and this firmware starts it all the same, by its old entry point: neither it nor its command line is measured`;
  return [{ path: KERNEL_FILE, reason }];
}
