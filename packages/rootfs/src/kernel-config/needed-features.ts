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
      return ["uki", ...initrd, "script-init", "modules", ...erofs(profile), ...verity(profile), ...overlay(profile)];
    case "pmem":
      return ["pmem", ...erofs(profile)];
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

function overlay({ initOverlay: { carrier, loadIntoRam } }: Profile): KernelFeature[] {
  const places: Record<typeof carrier, KernelFeature[]> = {
    initrd: ["loop"],
    esp: ["disk", "fat", "loop"],
    partition: ["disk", "gpt", ...(loadIntoRam ? (["loop"] as const) : [])],
  };
  return ["overlay", ...places[carrier]];
}
