export { type Host, probeHost } from "./accelerator.ts";
export { boot, type BootRequest, type RunningBoot } from "./boot.ts";
export { VmError, type VmErrorCode } from "./errors.ts";
export { collectEvidence, type Evidence, type EvidenceRequest } from "./evidence.ts";
export type { ImageBoot, ImagePath } from "./image-boot.ts";
export type { Accelerator, Disk, DiskWrites, PortForward } from "./machine.ts";
export type { ProcessExit } from "./scratch.ts";
export {
  FIRMWARE_PLACES,
  findTools,
  type FindToolsOptions,
  type Firmware,
  secureBootFirmwarePlaces,
  type VmTools,
} from "./tools.ts";
export type { PcrValues } from "./tpm/pcrs.ts";
export type { EspFile } from "./virtual-machine.ts";
export type { EndCondition } from "./wait.ts";
