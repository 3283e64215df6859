import type { Profile } from "@cvm-build/profile";
import type { KernelFeature } from "./requirements.ts";

/** What a profile's image needs of the kernel that boots it; nothing where it boots none. */
export function neededKernelFeatures(profile: Profile): KernelFeature[] {
  const initrd: KernelFeature[] = ["initrd", ...compression(profile)];
  switch (profile.output.format) {
    case "uki":
      return ["uki", ...initrd];
    case "direct":
      return initrd;
    case "disk":
      return ["uki", ...initrd, "systemd", "modules", "disk", "gpt", ...erofs(profile), ...verity(profile)];
    case "initoverlay":
      return ["uki", ...miniInitrd(profile), ...carrier(profile)];
    case "pmem":
      // Without a hash tree the kernel mounts it by itself.
      return profile.validation.verity === "none" ? ["pmem", ...erofs(profile)] : ["pmem", ...miniInitrd(profile)];
    default:
      return [];
  }
}

function compression({ output }: Profile): KernelFeature[] {
  return output.compressOutput === "none" ? [] : [`initrd-${output.compressOutput}`];
}

function erofs({ disk }: Profile): KernelFeature[] {
  if (disk.compression === "none") return ["erofs"];
  return disk.compression === "zstd" ? ["erofs", "erofs-compressed", "erofs-zstd"] : ["erofs", "erofs-compressed"];
}

function verity({ disk, validation }: Profile): KernelFeature[] {
  if (validation.verity === "none") return [];
  return [
    "verity",
    ...(disk.verityAlgorithm === "sha512" ? (["verity-sha512"] as const) : []),
    ...(validation.verity === "signed" ? (["verity-signature"] as const) : []),
  ];
}

function miniInitrd(profile: Profile): KernelFeature[] {
  const own: KernelFeature[] = ["initrd", ...compression(profile), "script-init", "modules"];
  return [...own, ...erofs(profile), ...verity(profile), "overlay"];
}

function carrier({ initOverlay: { carrier: kind, loadIntoRam } }: Profile): KernelFeature[] {
  const places: Record<typeof kind, KernelFeature[]> = {
    initrd: ["loop"],
    esp: ["disk", "fat", "loop"],
    partition: ["disk", "gpt", ...(loadIntoRam ? (["loop"] as const) : [])],
  };
  return places[kind];
}
