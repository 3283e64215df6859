import { readdirSync, readFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { bytesSource, compareCodeUnits, CvmError } from "@cvm-build/bytes";
import type { EspFile } from "@cvm-build/measure";
import type { Companion } from "@cvm-build/profile";

/** Where firmware looks for the UKI on the partition that an image is booted from. */
const UKI_ON_ESP = "EFI/BOOT/BOOTX64.EFI";

/** Folders of what every UKI on a partition picks up, by the end of a file's name. @see systemd-stub(7) */
const GLOBAL_FOLDERS = [
  { suffix: ".addon.efi", folder: "loader/addons" },
  { suffix: ".cred", folder: "loader/credentials" },
  { suffix: ".raw", folder: "loader/extensions" },
] as const;

/** A file beside a UKI, here and on the partition. */
export interface CompanionFile {
  /** Relative to the folder that the UKI is in, with slashes. */
  name: string;
  /** From the partition's root, without a leading slash, where the UKI is booted as removable media are. */
  espPath: string;
  hostPath: string;
}

/**
 * Name of a companion below an image's output directory: where it stands on an ESP of which that directory is the root.
 * @throws CvmError `setting` where two would have the same name
 */
export function companionNames(companions: readonly Companion[], ukiName: string): Map<string, Companion> {
  const named = new Map<string, Companion>();
  for (const companion of companions) {
    const name = nameOf(companion, ukiName);
    if (named.has(name)) {
      throw new CvmError("setting", `cannot put two files at "${name}": expected different names in UKI.Companions=`);
    }
    named.set(name, companion);
  }
  return named;
}

/** The files that systemd-stub will find beside a UKI, if the folder that it is in becomes the ESP. */
export function companionsBeside(ukiPath: string): CompanionFile[] {
  const directory = dirname(ukiPath);
  const own = `${basename(ukiPath)}.extra.d`;
  const folders = [
    { folder: own, onEsp: `${UKI_ON_ESP}.extra.d` },
    ...GLOBAL_FOLDERS.map(({ folder }) => ({ folder, onEsp: folder })),
  ];
  return folders.flatMap(({ folder, onEsp }) =>
    filesIn(join(directory, folder)).map((file) => ({
      name: `${folder}/${file}`,
      espPath: `${onEsp}/${file}`,
      hostPath: join(directory, folder, file),
    })),
  );
}

/** The same files as a prediction takes them. */
export function measuredCompanions(ukiPath: string): EspFile[] {
  return companionsBeside(ukiPath).map(({ espPath, hostPath }) => ({
    path: `/${espPath}`,
    content: bytesSource(readFileSync(hostPath)),
  }));
}

function nameOf({ path, scope }: Companion, ukiName: string): string {
  const global = GLOBAL_FOLDERS.find(({ suffix }) => path.endsWith(suffix));
  const folder = scope === "global" && global ? global.folder : `${ukiName}.extra.d`;
  return `${folder}/${basename(path)}`;
}

function filesIn(directory: string): string[] {
  try {
    const entries = readdirSync(directory, { withFileTypes: true });
    return entries
      .filter((entry) => entry.isFile())
      .map(({ name }) => name)
      .sort(compareCodeUnits);
  } catch (error) {
    const isAbsent = ["ENOENT", "ENOTDIR"].includes((error as NodeJS.ErrnoException).code ?? "");
    if (isAbsent) return []; // most images have none
    throw new CvmError("no-image", `cannot read "${directory}": expected a readable folder`, { cause: error });
  }
}
