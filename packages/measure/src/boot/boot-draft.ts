import type { Draft } from "../draft.ts";
import type { Boot } from "./boot.ts";
import type { FirmwareLog } from "./firmware-log.ts";
import type { OpenRegisters } from "./open-registers.ts";

/** What a path adds while its events are drafted. */
export interface BootDraft {
  draft: Draft;
  open: OpenRegisters;
  firmware: FirmwareLog;
  boot: Boot;
}
