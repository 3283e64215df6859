export type {
  Boot,
  BootPath,
  DiskFacts,
  EspPath,
  FirmwareFacts,
  GrubPath,
  KernelPath,
  KernelUkiPath,
  MachineFacts,
  ShimStart,
  SystemdBootPath,
  UserspaceFacts,
} from "./boot/boot.ts";
export { lowMemoryBytes } from "./boot/patched-kernel.ts";
export { predictBoot } from "./boot/predict-boot.ts";
export { withPcr0 } from "./boot/with-pcr0.ts";
export {
  type Comparison,
  type ComparedEvent,
  compareWithCcel,
  compareWithLog,
  type RegisterComparison,
  sameDigests,
} from "./compare.ts";
export type { EspFile } from "./companions.ts";
export { DigestMemo, type EqualDigests, type KeptDigests } from "./digest-memo.ts";
export { prepareDigestThreads } from "./digest-threads.ts";
export { type EventContent, type EventSource, type MeasuredEvent, pcrOf, type RegisterName } from "./event.ts";
export { describeEvent } from "./eventlog/dump.ts";
export { type EventLog, type LoggedEvent, readEventLog } from "./eventlog/reader.ts";
export { withoutRepeats } from "./eventlog/repeats.ts";
export { type CcMrIndex, isCcel, replayCcel, replayLog, rtmrOf, type RtmrIndex } from "./eventlog/replay.ts";
export type { Evidence, EvidenceCheck, EvidenceKind } from "./evidence/evidence.ts";
export { readEvidence } from "./evidence/reader.ts";
export { readPcrValues } from "./evidence/tpm/pcr-values.ts";
export type { PcrQuote, PcrSelection } from "./evidence/evidence.ts";
export { describeSelections, quotedDigest, withPcrValues } from "./evidence/tpm/reader.ts";
export { type FirmwareCpu, type FirmwareMachine, tcgCpu } from "./firmware/qemu-memory.ts";
export type { Edk2Release, OvmfBuild } from "./firmware/release.ts";
export { predictIgvmMrtd } from "./igvm/mrtd.ts";
export { type IgvmFile, readIgvm } from "./igvm/reader.ts";
export { type IgvmLaunch, type IgvmLoader, predictIgvmLaunch } from "./igvm/snp-launch.ts";
export { BOOT_PHASES, phasePaths } from "./phases.ts";
export { checkPolicySigner, pcrPolicyDigest, type PolicySigning, signPcrPolicies } from "./pcr-policy.ts";
export { type Ovmf, type Pcr0Options, type Pcr0Prediction, predictPcr0, readOvmf } from "./pcr0.ts";
export { type Pcr1Prediction, predictFirmwarePcr1 } from "./pcr1.ts";
export type { Alternative, Prediction, Refusal, Unmeasured, Unpredicted } from "./prediction.ts";
export { extend, initialValue, type PcrValues, type RegisterValues, replay } from "./registers.ts";
export { isSecureBootOn, type SecureBootVariables, secureBootVariablesOf } from "./secure-boot-variables.ts";
export { cpuModelSignature, cpuSignature, type CpuVersion, EPYC_MODEL_NAMES } from "./sev/cpu-models.ts";
export { type IdBlockRequest, type SignedIdBlock, signIdBlock } from "./sev/id-block.ts";
export type { KernelHashInputs } from "./sev/kernel-hashes.ts";
export type { Launch } from "./sev/launch-pages.ts";
export {
  predictSevEsLaunch,
  predictSevLaunch,
  type SevEsLaunchOptions,
  type SevLaunchOptions,
} from "./sev/sev-launch.ts";
export {
  type MeasuredFirmware,
  measureFirmware,
  predictSnpLaunch,
  predictSnpLaunches,
  type SnpLaunchOptions,
} from "./sev/snp-launch.ts";
export { VMM_KINDS, type VmmKind } from "./sev/vmm.ts";
export { encodeStubCpio, type StubCpioFile } from "./stub-cpio.ts";
export { azureTdRegisters } from "./tdx/azure-td.ts";
export { environmentOfCcel, environmentOfFwCfg, type TdEnvironment } from "./tdx/environment.ts";
export { predictGceMrtdWithTdHob } from "./tdx/gce-mrtd.ts";
export { identifyTdFirmware } from "./tdx/identify-firmware.ts";
export type { CcSoftware } from "./tdx/measurers.ts";
export { type MrtdPasses, type MrtdPrediction, predictMrtd } from "./tdx/mrtd.ts";
export { predictRtmrs, type RtmrPrediction, type TdBoot } from "./tdx/rtmr.ts";
export type { Measurable } from "./tdx/rtmr-event.ts";
export type { TdFirmware, TdMachine } from "./tdx/td-firmware.ts";
export { encodeGceTdHob, encodeTdHob, type GceEarlyAccept } from "./tdx/td-hob.ts";
export { type TdOwnerValues, tdOwnerValues } from "./tdx/td-owner.ts";
export { predictTdShim, type TdShimBoot, type TdShimPayload, type TdShimPrediction } from "./tdx/td-shim.ts";
export { predictTpmBesideTdx } from "./tdx/tpm-beside-tdx.ts";
export { predictUkiOnEsp, type UkiOnEspOptions } from "./uki-on-esp.ts";
export { predictUkiPhases } from "./uki-phases.ts";
