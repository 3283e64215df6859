import type { FileTree, TreeNode } from "@cvm-build/fs-writer";
import { parseOsRelease } from "@cvm-build/rootfs";
import type { SystemFacts, Uses } from "./dissection.ts";

/** A `NAME=value` line. */
type Assignment = readonly [name: string, value: string];

/** What a tree is, as an operating system or part of one. */
export interface FoundSystem {
  facts: SystemFacts;
  uses: Uses;
  osRelease: readonly Assignment[];
  /** `ARCHITECTURE=` of an extension. */
  architecture: string | undefined;
  problems: string[];
}

/** A file that is larger is not what its name says. */
const MAX_FILE_BYTES = 1 << 16;
const INIT_SYSTEMS = ["/usr/lib/systemd/systemd", "/lib/systemd/systemd", "/sbin/init"];
/** What an extension is for that does not say. */
const DEFAULT_SCOPE = "system portable";

/** Where the two kinds of extensions have their release files, and which of their fields says what they are for. */
const EXTENSIONS = {
  sysext: { folder: "/usr/lib/extension-release.d", scope: "SYSEXT_SCOPE" },
  confext: { folder: "/etc/extension-release.d", scope: "CONFEXT_SCOPE" },
} as const;

/**
 * Looks in a tree for what systemd-dissect looks for.
 * @param options.imageName the file's name without its suffix, by which an extension's release file must go
 * @param options.hasEsp whether there is an EFI system partition beside the tree
 * @see systemd-dissect(1); os-release(5); systemd-sysext(8)
 */
export function inspectSystem(tree: FileTree, options: { imageName: string; hasEsp: boolean }): FoundSystem {
  const read = (...paths: string[]) => firstText(tree, paths);
  const assignments = (...paths: string[]) => [...parseOsRelease(read(...paths) ?? "")];
  const problems: string[] = [];
  const sysext = extensionRelease(tree, "sysext", { ...options, problems });
  const confext = extensionRelease(tree, "confext", { ...options, problems });
  const osRelease = assignments("/etc/os-release", "/usr/lib/os-release");
  const initrdRelease = assignments("/etc/initrd-release", "/usr/lib/initrd-release");
  const hasInit = INIT_SYSTEMS.some((path) => tree.follow(path) !== undefined);
  const facts: SystemFacts = present({
    hostname: hostnameOf(read("/etc/hostname")),
    machineId: /^[0-9a-f]{32}$/.exec(read("/etc/machine-id")?.trim() ?? "")?.[0],
    machineInfo: lines(assignments("/etc/machine-info")),
    osRelease: lines(osRelease),
    initrdRelease: lines(initrdRelease),
    sysextRelease: lines(sysext ?? []),
    confextRelease: lines(confext ?? []),
  });
  const sysextScopes = scopesOf(sysext, "sysext");
  const confextScopes = scopesOf(confext, "confext");
  return {
    facts,
    uses: {
      useBootableUefi: options.hasEsp && hasInit,
      useBootableContainer: hasInit,
      useInitrd: initrdRelease.length > 0,
      usePortableService: valueOf(osRelease, "PORTABLE_PREFIXES") !== undefined,
      useSystemExtension: sysextScopes.includes("system"),
      useInitRDSystemExtension: sysextScopes.includes("initrd"),
      usePortableSystemExtension: sysextScopes.includes("portable"),
      useConfigurationExtension: confextScopes.includes("system"),
      useInitRDConfigurationExtension: confextScopes.includes("initrd"),
      usePortableConfigurationExtension: confextScopes.includes("portable"),
    },
    osRelease,
    architecture: valueOf(sysext ?? confext ?? [], "ARCHITECTURE"),
    problems,
  };
}

/** The value of a name. */
export function valueOf(assignments: readonly Assignment[], name: string): string | undefined {
  return assignments.find(([candidate]) => candidate === name)?.[1];
}

/**
 * The release file goes by the image's name, up to an underscore where a version follows; or there is only one, which
 * says by an attribute that its name does not matter.
 */
function extensionRelease(
  tree: FileTree,
  kind: keyof typeof EXTENSIONS,
  { imageName, problems }: { imageName: string; problems: string[] },
): readonly Assignment[] | undefined {
  const folder = tree.resolve(EXTENSIONS[kind].folder);
  const names = folder === undefined ? [] : tree.list(folder).filter((name) => name.startsWith("extension-release."));
  const wanted = [imageName, imageName.split("_")[0]].map((name) => `extension-release.${name}`);
  const relaxed = names.length === 1 && names.every((name) => isRelaxed(tree.get(`${folder}/${name}`)));
  const name = wanted.find((candidate) => names.includes(candidate)) ?? (relaxed ? names[0] : undefined);
  if (name !== undefined) return [...parseOsRelease(firstText(tree, [`${folder}/${name}`]) ?? "")];
  if (names.length > 0) {
    const found = names.map((other) => other.slice("extension-release.".length)).join(", ");
    problems.push(`this ${kind} is not merged under the name ${JSON.stringify(imageName)}: it calls itself ${found}`);
  }
  return undefined;
}

function isRelaxed(node: TreeNode | undefined): boolean {
  const strict = node?.xattrs?.get("user.extension-release.strict");
  return strict !== undefined && /^(0|no|n|false|f|off)$/i.test(Buffer.from(strict).toString("utf8").trim());
}

function scopesOf(release: readonly Assignment[] | undefined, kind: keyof typeof EXTENSIONS): string[] {
  if (!release) return [];
  return (valueOf(release, EXTENSIONS[kind].scope) ?? DEFAULT_SCOPE).split(/\s+/);
}

function firstText(tree: FileTree, paths: readonly string[]): string | undefined {
  for (const path of paths) {
    const node = tree.follow(path);
    if (node?.kind === "file" && node.content.sizeBytes <= MAX_FILE_BYTES && "bytes" in node.content) {
      return Buffer.from(node.content.bytes).toString("utf8");
    }
  }
  return undefined;
}

function hostnameOf(text: string | undefined): string | undefined {
  return text
    ?.split("\n")
    .map((line) => line.trim())
    .find((line) => line !== "" && !line.startsWith("#"));
}

function lines(assignments: readonly Assignment[]): string[] | undefined {
  return assignments.length === 0 ? undefined : assignments.map(([name, value]) => `${name}=${value}`);
}

function present(facts: { [K in keyof SystemFacts]: SystemFacts[K] | undefined }): SystemFacts {
  return Object.fromEntries(Object.entries(facts).filter(([, value]) => value !== undefined));
}
