import type { OutputFormat, OutputSettings, Profile } from "@cvm-build/profile";
import type { Layout, MadeImage } from "./layout.ts";

/** What the file's compression adds to its name. */
const COMPRESSED = { zstd: ".zst", gzip: ".gz", none: "" } as const satisfies Record<
  OutputSettings["compressOutput"],
  string
>;

/** Every format of images, by the values of `Format=`. What makes one is loaded when it is made. */
export const LAYOUTS = {
  uki: {
    suffix: () => ".efi",
    stub: "linux",
    start: "uki",
    make: async (...build) => (await import("./uki.ts")).makeUki(...build),
  },
  addon: {
    suffix: () => ".addon.efi",
    stub: "addon",
    start: undefined,
    make: async (...build) => (await import("./addon.ts")).makeAddon(...build),
  },
  cpio: { suffix: compressed(".cpio"), stub: undefined, start: undefined, make: makeArchive },
  directory: {
    suffix: () => ".mtree",
    stub: undefined,
    start: undefined,
    make: async (...build) => (await import("./tree.ts")).makeDirectory(...build),
  },
  tar: { suffix: compressed(".tar"), stub: undefined, start: undefined, make: makeArchive },
  direct: {
    suffix: () => ".vmlinuz",
    stub: undefined,
    start: "kernel",
    make: async (...build) => (await import("./direct.ts")).makeDirect(...build),
  },
  disk: {
    suffix: () => ".efi",
    stub: "linux",
    start: "disk",
    make: async (...build) => (await import("./disk.ts")).makeDisk(...build),
  },
  initoverlay: {
    suffix: () => ".efi",
    stub: "linux",
    start: "uki",
    make: async (...build) => (await import("./init-overlay.ts")).makeInitOverlay(...build),
  },
  pmem: {
    suffix: () => ".erofs",
    stub: undefined,
    start: "memory",
    make: async (...build) => (await import("./pmem.ts")).makePmem(...build),
  },
  sysext: { suffix: () => ".raw", stub: undefined, start: undefined, make: makeExtension },
  confext: { suffix: () => ".raw", stub: undefined, start: undefined, make: makeExtension },
  portable: {
    suffix: () => ".raw",
    stub: undefined,
    start: undefined,
    make: async (...build) => (await import("./extension.ts")).makePortable(...build),
  },
} as const satisfies Record<OutputFormat, Layout>;

/** The layout that a profile asks for. */
export function layoutOf({ output }: Pick<Profile, "output">): Layout {
  return LAYOUTS[output.format];
}

/** The name of the image's file in its output directory. */
export function imageFileName({ output }: Pick<Profile, "output">): string {
  return `${output.imageId}${LAYOUTS[output.format].suffix(output)}`;
}

async function makeArchive(...build: Parameters<Layout["make"]>): Promise<MadeImage> {
  return (await import("./tree.ts")).makeArchive(...build);
}

async function makeExtension(...build: Parameters<Layout["make"]>): Promise<MadeImage> {
  return (await import("./extension.ts")).makeExtension(...build);
}

function compressed(suffix: string): Layout["suffix"] {
  return ({ compressOutput }) => `${suffix}${COMPRESSED[compressOutput]}`;
}
