import { type ByteSource, bytesSource } from "@cvm-build/bytes";
import { authenticodeRanges } from "@cvm-build/uki";
import { hashBanks } from "../digest-banks.ts";
import { Draft } from "../draft.ts";
import type { MeasuredEvent } from "../event.ts";
import { addPhases, foldPhases } from "../phase-events.ts";
import type { Prediction, Refusal, Unmeasured } from "../prediction.ts";
import { replay } from "../registers.ts";
import type { BootDraft } from "./boot-draft.ts";
import type { Boot, BootPath, EspPath, KernelUkiPath, SystemdBootPath } from "./boot.ts";
import { exitAlternatives, retriesExit } from "./exit-retry.ts";
import { FirmwareLog, KERNEL_FILE, REMOVABLE_MEDIA_PATH } from "./firmware-log.ts";
import { addGrub } from "./grub.ts";
import { addKernel } from "./kernel-log.ts";
import { FIRST_QEMU, OLD_QEMU } from "./patched-kernel.ts";
import { OpenRegisters } from "./open-registers.ts";
import { addOsSeparator } from "./os-separator.ts";
import { leavePlatformOpen } from "./platform-doubts.ts";
import { addShim } from "./shim.ts";
import { addStub } from "./stub-log.ts";
import { addSystemdBoot } from "./systemd-boot.ts";
import { isAtLeast } from "./version.ts";

/** Registers that have a value unless something leaves them open, be it that nothing extends them. */
const STATIC_PCRS = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15] as const;

/** What is to be said of a path beside its events. */
interface PathOutcome {
  /** What the ranges of the draft are of: the largest file of the path. */
  image: ByteSource;
  refused?: Refusal[];
  unmeasured?: Unmeasured[];
}

/**
 * Predicts the registers of a machine's TPM for a boot, from the bytes of what is booted. PCR 0 to 15 each have a value,
 * a few of which one is right, or a reason why they have none.
 * @throws FormatError where an image is not what the path says; CvmError `secure-boot` where firmware would not start it
 * @see TCG PC Client Platform Firmware Profile, "PCR Usage"; systemd-stub(7), "TPM PCR Notes"
 */
export async function predictBoot(boot: Boot): Promise<Prediction> {
  const draft = new Draft();
  const open = new OpenRegisters();
  leavePlatformOpen(open, boot);
  const hasGpt = boot.disk?.gpt instanceof Uint8Array;
  const { gptEventData } = hasGpt ? await import("./gpt.ts") : {};
  const firmware = new FirmwareLog(draft, { boot, gptEventData });
  firmware.addVariables();
  const outcome = addPath(boot.path, { draft, open, firmware, boot });
  firmware.addExit();
  const { kind } = boot.path;
  const hasPhases = kind !== "kernel-bzimage" && kind !== "grub";
  const phases = hasPhases ? boot.phases : [];
  addPhases(draft, phases);
  addUserspace({ draft, open, firmware, boot });
  const { banks, threads = 1, memo } = boot;
  const digests = await hashBanks(outcome.image, draft.streams, { banks, threads, ...(memo && { memo }) });
  const events = draft.finish(digests).filter(({ register }) => !open.has(register));
  return fold(events, { boot, open, outcome, phases });
}

function addPath(path: BootPath, log: BootDraft): PathOutcome {
  switch (path.kind) {
    case "esp":
      return addEsp(path, log);
    case "systemd-boot":
      return addLoader(path, log);
    case "kernel-uki":
      return addKernelUki(path, log);
    case "kernel-bzimage":
      return { image: path.initrd ?? NOTHING, unmeasured: addKernel(path, log) };
    case "grub":
      addGrub(path, log);
      return { image: path.initrd?.content ?? NOTHING };
  }
}

const NOTHING = bytesSource(Buffer.alloc(0));

function addEsp(path: EspPath, log: BootDraft): PathOutcome {
  const { uki, ukiPath = REMOVABLE_MEDIA_PATH, companions = [], shim } = path;
  log.firmware.addBootAttempts();
  if (shim) addShim(shim, log);
  addUkiImage(uki, { path: ukiPath, fromDisk: true, byShim: shim !== undefined }, log);
  const refused = addStub({ image: uki, path: ukiPath, passed: path.commandLine, companions }, log);
  return { image: uki, refused };
}

function addLoader(path: SystemdBootPath, log: BootDraft): PathOutcome {
  const { uki, ukiPath, companions = [] } = path;
  log.firmware.addBootAttempts();
  if (path.shim) addShim(path.shim, log);
  addSystemdBoot({ ...path, loaderPath: path.loaderPath ?? REMOVABLE_MEDIA_PATH, companions }, log);
  addUkiImage(uki, { path: ukiPath, fromDisk: true, byShim: path.shim !== undefined }, log);
  const refused = addStub({ image: uki, path: ukiPath, passed: path.commandLine, companions }, log);
  return { image: uki, refused };
}

/** Firmware loads what QEMU hands to it before it tries boot options. */
function addKernelUki({ uki, commandLine }: KernelUkiPath, log: BootDraft): PathOutcome {
  const { qemuVersion } = log.boot.machine ?? {};
  if (qemuVersion !== undefined && !isAtLeast(qemuVersion, FIRST_QEMU)) log.open.leave([4], OLD_QEMU);
  addUkiImage(uki, { path: KERNEL_FILE, fromDisk: false, byShim: false }, log);
  log.firmware.addBootAttempts();
  const refused = addStub({ image: uki, path: undefined, passed: commandLine, companions: [] }, log);
  return { image: uki, refused };
}

/** A UKI, which Secure Boot judges, or shim where it was started by that. */
function addUkiImage(
  uki: ByteSource,
  { path, fromDisk, byShim }: { path: string; fromDisk: boolean; byShim: boolean },
  { firmware }: BootDraft,
): void {
  const authority = byShim ? undefined : firmware.require(path, uki);
  firmware.addImage({ path, source: { file: path }, parts: authenticodeRanges(uki), authority }, { fromDisk });
}

/** What systemd extends of its own accord, which it does only where a stub has measured the image. */
function addUserspace({ draft, open, boot }: BootDraft): void {
  const { path, userspace } = boot;
  if (path.kind === "kernel-bzimage" || path.kind === "grub") return;
  if (userspace?.hasOsSeparator) addOsSeparator(draft);
  if (userspace?.hasNvPcrs)
    open.leave([9], "systemd measures the secrets of registers that it makes in the TPM's memory");
}

function fold(
  events: MeasuredEvent[],
  parts: { boot: Boot; open: OpenRegisters; outcome: PathOutcome; phases: readonly string[] },
): Prediction {
  const { boot, open, outcome, phases } = parts;
  const { banks } = boot;
  const alternatives = !open.has("pcr5") && retriesExit(boot) ? [exitAlternatives(events, banks)] : [];
  const several = new Set<string>(alternatives.map(({ register }) => register));
  const known = STATIC_PCRS.filter((pcr) => !open.has(`pcr${pcr}`) && !several.has(`pcr${pcr}`));
  const settled = events.filter(({ register }) => !several.has(register));
  return {
    events,
    registers: { pcr: replay(settled, { banks, pcrs: known }) },
    phases: foldPhases(events, { banks, phases }),
    unpredicted: open.list(),
    ...(alternatives.length > 0 && { alternatives }),
    refused: outcome.refused ?? [],
    ...(outcome.unmeasured && outcome.unmeasured.length > 0 && { unmeasured: outcome.unmeasured }),
  };
}
