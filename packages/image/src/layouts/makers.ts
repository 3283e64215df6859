import type { OutputFormat } from "@cvm-build/profile";
import type { Build } from "../build-under-way.ts";
import type { Inputs } from "../inputs.ts";
import type { MadeImage } from "./made-image.ts";

/**
 * Writes all files of an image but manifest, measurements and lock, and measures it.
 * @throws CvmError
 */
type Maker = (build: Build, inputs: Inputs) => Promise<MadeImage>;

const archive: Maker = async (...build) => (await import("./tree.ts")).makeArchive(...build);
const extension: Maker = async (...build) => (await import("./extension.ts")).makeExtension(...build);

/** What makes an image of each format. It is loaded when one is made. */
export const MAKERS = {
  uki: async (...build) => (await import("./uki.ts")).makeUki(...build),
  addon: async (...build) => (await import("./addon.ts")).makeAddon(...build),
  cpio: archive,
  directory: async (...build) => (await import("./tree.ts")).makeDirectory(...build),
  tar: archive,
  direct: async (...build) => (await import("./direct.ts")).makeDirect(...build),
  disk: async (...build) => (await import("./disk.ts")).makeDisk(...build),
  initoverlay: async (...build) => (await import("./init-overlay.ts")).makeInitOverlay(...build),
  pmem: async (...build) => (await import("./pmem.ts")).makePmem(...build),
  sysext: extension,
  confext: extension,
  portable: async (...build) => (await import("./extension.ts")).makePortable(...build),
} as const satisfies Record<OutputFormat, Maker>;
