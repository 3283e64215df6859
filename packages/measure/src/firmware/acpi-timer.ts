import { findOnly, relativeTarget } from "./code-search.ts";
import type { PeiModule } from "./ovmf.ts";
import type { Patch } from "./platform-info-hob.ts";
import type { FirmwareMachine } from "./qemu-memory.ts";

/** Where the timer of the power management's registers is, on each chipset. */
const TIMER_PORTS = { q35: 0x608, pc: 0xb008 } as const;
/** `mov dword [rip + x], 0x608`. */
const SET_PORT = "c7 05 ?? ?? ?? ?? 08 06 00 00";

/**
 * The port of the timer that PeiCore has noted in its own data by the time the volume is measured, where the build's
 * PeiCore has that timer.
 * @see EDK2 `OvmfPkg/Library/AcpiTimerLib/BaseAcpiTimerLib.c`
 */
export function timerPatches({ code }: PeiModule, { type }: FirmwareMachine): Patch[] {
  const at = findOnly(code, SET_PORT);
  const offset = at === undefined ? undefined : relativeTarget(code, at + 2, 4);
  if (offset === undefined) return [];
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(TIMER_PORTS[type]);
  return [{ offset, bytes }];
}
