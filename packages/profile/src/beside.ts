import { join } from "node:path";
import { profileError, quoteText } from "./error.ts";
import type { Layout } from "./layout.ts";
import type { UnsupportedSetting } from "./unsupported.ts";
import { findMkosiSetting, MKOSI_BESIDES } from "./mkosi-setting.ts";
import type { ProfileDisk } from "./profile-disk.ts";
import type { SettingRow } from "./setting.ts";
import { SETTINGS } from "./setting-table.ts";

/** A file or directory that sets something by standing beside the configuration. */
export interface ValueBeside {
  row: SettingRow;
  /** The file's name in positions. */
  file: string;
  /** The absolute path, or the value that the file holds. */
  value: { path: string } | { text: string };
}

/** A `services/NAME.yaml` or `artifacts/NAME.yaml`. */
export interface DeclarationBeside {
  folder: "services" | "artifacts";
  name: string;
  /** Absolute. */
  path: string;
}

/** Finds what stands beside a configuration and sets something: `cvm.extra`, `mkosi.version`. @throws CvmError */
export function valuesBeside(directory: string, { prefix }: Layout, disk: ProfileDisk): ValueBeside[] {
  const found: ValueBeside[] = [];
  for (const row of SETTINGS) {
    for (const { suffix, take } of row.besides ?? []) {
      const path = join(directory, prefix + suffix);
      if (disk.kind(path) === "absent") continue;
      const value = take === "path" ? { path } : { text: readValueFile(path, row, disk) };
      found.push({ row, file: disk.show(path), value });
    }
  }
  return found;
}

/** Finds what mkosi would look at beside a configuration and cvm-build does not, empty directories left out. */
export function refusedBeside(directory: string, { prefix }: Layout, disk: ProfileDisk): UnsupportedSetting[] {
  return MKOSI_BESIDES.flatMap(({ suffix, setting }) => {
    const path = join(directory, prefix + suffix);
    const kind = disk.kind(path);
    if (kind === "absent" || (kind === "directory" && disk.list(path).length === 0)) return [];
    const { useInstead } = findMkosiSetting(setting)!;
    return [{ position: { file: disk.show(path) }, name: setting, useInstead }];
  });
}

/** Finds the services and artefacts that a directory declares, sorted. @throws CvmError for a name that ends in .yml */
export function declarationsBeside(directory: string, disk: ProfileDisk): DeclarationBeside[] {
  return (["services", "artifacts"] as const).flatMap((folder) =>
    disk.list(join(directory, folder)).flatMap((file) => {
      const path = join(directory, folder, file);
      if (file.endsWith(".yml")) {
        throw profileError("profile-bad-declaration", {
          cannot: `read ${folder.slice(0, -1)}`,
          at: { file: disk.show(path) },
          expected: "a name that ends in .yaml",
          got: quoteText(file),
          hint: `rename it to ${file.slice(0, -4)}.yaml`,
        });
      }
      return file.endsWith(".yaml") && !file.startsWith(".") ? [{ folder, name: file.slice(0, -5), path }] : [];
    }),
  );
}

/** mkosi runs such a file if it is executable, even for `summary`; nothing is run here. */
function readValueFile(path: string, row: SettingRow, disk: ProfileDisk): string {
  const text = disk.readText(path);
  if (!disk.isExecutable(path) && !text.startsWith("#!")) return text.trimEnd();
  const setting = `${row.section}.${row.name}`;
  throw profileError("profile-executable", {
    cannot: `read setting "${setting}"`,
    at: { file: disk.show(path) },
    expected: "a file that holds the value",
    got: "a program",
    hint: `no code runs while files are read: write ${row.name}= into [${row.section}], or give --set ${setting}=VALUE`,
    setting,
  });
}
