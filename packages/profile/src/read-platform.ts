import { dirname, resolve } from "node:path";
import { quoteText } from "./error.ts";
import { platformSchema, type WrittenPlatform } from "./platform-schema.ts";
import { parseSize } from "./quantity.ts";
import { YamlDocument } from "./yaml-document.ts";

/** A firmware, a boot path and a machine: `platforms/NAME.yaml`. Paths are absolute. */
export interface PlatformDeclaration extends Omit<WrittenPlatform, "machine"> {
  name: string;
  machine: Omit<NonNullable<WrittenPlatform["machine"]>, "memory"> & { memoryBytes?: number };
}

/**
 * Reads a platform's YAML.
 * @param path the file's, absolute; the platform is named after it, and paths in it start beside it
 * @throws CvmError `profile-bad-declaration` with file, line and column
 */
export function parsePlatform(text: string, path: string): PlatformDeclaration {
  const name = path.replace(/^[^]*\//, "").replace(/\.yaml$/, "");
  const document = new YamlDocument(text, { noun: "platform", name, file: path });
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(name)) {
    throw document.fault([], "a file name of letters, digits and -._", { got: quoteText(`${name}.yaml`) });
  }
  const { machine = {}, firmware, loader, shim, disk, tdx, snp, ...rest } = document.validate(platformSchema());
  checkAgreement({ ...rest, loader, shim, tdx, snp }, document);
  const { memory, ...others } = machine;
  const absolute = (file: string) => resolve(dirname(path), file);
  return {
    ...rest,
    name,
    machine: {
      ...others,
      ...(memory !== undefined && { memoryBytes: document.read(["machine", "memory"], () => parseSize(memory)) }),
    },
    ...(firmware && { firmware: withPaths(firmware, ["file", "variables"], absolute) }),
    ...(loader && { loader: withPaths(loader, ["file", "configuration"], absolute) }),
    ...(shim && { shim: shimWithPaths(shim, absolute) }),
    ...(disk && { disk: disk.partitions === "none" ? disk : withPaths(disk, ["partitions"], absolute) }),
    ...(tdx && { tdx: withPaths(tdx, ["ccel"], absolute) }),
    ...(snp && { snp: withPaths(snp, ["svsm", "igvm"], absolute) }),
  };
}

/** What is said of a TEE that the platform has not would be passed over in silence. */
function checkAgreement({ boot = "esp", loader, shim, tee, tdx, snp }: WrittenPlatform, document: YamlDocument): void {
  const hasLoader = boot === "systemd-boot" || boot === "grub";
  if (hasLoader && !loader) throw document.fault(["boot"], "loader: beside it", { got: boot });
  if (!hasLoader && loader) throw document.fault(["loader"], "boot: systemd-boot or grub beside it", { got: boot });
  if (boot === "grub" && loader?.configuration === undefined) {
    throw document.fault(["loader"], "configuration: in it, which GRUB measures", { got: "none" });
  }
  if (shim && boot.startsWith("kernel-")) {
    throw document.fault(["shim"], "boot: esp, systemd-boot or grub beside it", { got: boot });
  }
  if (tdx && tee !== "tdx") throw document.fault(["tdx"], "tee: tdx beside it", { got: tee ?? "no tee" });
  if (snp && tee !== "sev-snp") throw document.fault(["snp"], "tee: sev-snp beside it", { got: tee ?? "no tee" });
}

function shimWithPaths(
  shim: NonNullable<WrittenPlatform["shim"]>,
  absolute: (path: string) => string,
): NonNullable<WrittenPlatform["shim"]> {
  const files = withPaths(shim, ["file", "mokList", "mokListX", "sbatLevel", "mokListTrusted"], absolute);
  return { ...files, ...(shim.authority && { authority: withPaths(shim.authority, ["data"], absolute) }) };
}

function withPaths<T extends object>(value: T, keys: readonly (keyof T)[], absolute: (path: string) => string): T {
  const paths = keys.flatMap((key) => {
    const path = value[key];
    return typeof path === "string" ? [[key, absolute(path)] as const] : [];
  });
  return { ...value, ...Object.fromEntries(paths) };
}
