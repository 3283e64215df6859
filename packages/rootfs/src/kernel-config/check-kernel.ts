import { CvmError } from "@cvm-build/bytes";
import type { FileTree } from "@cvm-build/fs-writer";
import { normalizeModuleName } from "../kernel/module-facts.ts";
import { stripModuleSuffix } from "../kernel/module-files.ts";
import type { KernelConfig } from "./kernel-config.ts";
import type { KernelFeature, KernelNeed, KernelRequirements } from "./requirements.ts";

/** A kernel and what an image asks of it. */
export interface KernelCheck {
  /** As `uname -r` says it. */
  release: string;
  config: KernelConfig;
  /** In words, for errors: `a disk image`. */
  what: string;
  features: readonly KernelFeature[];
  requirements: KernelRequirements;
  /** Names of the modules of the initrd that the kernel starts, dashes as underscores; `none` where it starts without one. */
  modules: ReadonlySet<string> | "none";
}

/** One thing that a kernel lacks, and what would mend it. */
interface Fault {
  symbol: string;
  expected: string;
  found: string;
  hint: string;
}

/** The names of a tree's modules, as the kernel has them. */
export function moduleNamesIn(tree: FileTree): Set<string> {
  const names = new Set<string>();
  for (const [path, node] of tree.entries("/usr/lib/modules")) {
    const name = path.slice(path.lastIndexOf("/") + 1);
    const base = stripModuleSuffix(name);
    if (node.kind === "file" && base !== name) names.add(normalizeModuleName(base));
  }
  return names;
}

/**
 * Holds a kernel's configuration against what an image needs. A symbol that is a module counts only where the initrd has
 * that module.
 * @throws CvmError `kernel-config` naming every symbol that is missing, what needs it, and what to do
 */
export function checkKernel(check: KernelCheck): void {
  const groups = check.features.flatMap((feature) => check.requirements[feature]);
  const faults = groups.flatMap((group) => faultOf(group, check) ?? []);
  const [first] = faults;
  if (!first) return;
  const texts = [...new Set(faults.map(({ expected, found }) => `expected ${expected}, got ${found}`))];
  throw new CvmError("kernel-config", `cannot boot ${check.what} with kernel "${check.release}": ${texts.join("; ")}`, {
    hint: [...new Set(faults.map(({ hint }) => hint))].join("; "),
    details: { release: check.release, missing: faults.map(({ symbol }) => `CONFIG_${symbol}`) },
  });
}

/** What is wrong with a group, of which one need is enough. The first is the one that is asked for. */
function faultOf(group: readonly KernelNeed[], check: KernelCheck): Fault | undefined {
  const faults = group.map((need) => faultOfNeed(need, check));
  const [first] = faults;
  if (!first || faults.includes(undefined)) return undefined;
  // A module that only has to be taken along is sooner mended than another kernel.
  const mendable = faults.find((fault) => fault?.found !== "no such symbol") ?? first;
  if (group.length === 1) return mendable;
  const symbols = group.map(({ symbol }) => `CONFIG_${symbol}`).join(" or ");
  return { ...mendable, expected: `${symbols} (${group[0]?.why ?? ""})` };
}

function faultOfNeed({ symbol, module, why }: KernelNeed, check: KernelCheck): Fault | undefined {
  const value = check.config.get(symbol);
  if (value === "y") return undefined;
  const expected = `CONFIG_${symbol}${check.modules === "none" || module === undefined ? "=y" : ""} (${why})`;
  const anotherKernel = "use another kernel: Packages= names the one of the image";
  if (value !== "m" || module === undefined) {
    const found = value === undefined ? "no such symbol" : `CONFIG_${symbol}=${value}`;
    return { symbol, expected, found, hint: anotherKernel };
  }
  if (check.modules === "none") {
    const hint = `without an initrd nothing loads the module ${module}: use a kernel that has it built in`;
    return { symbol, expected, found: `CONFIG_${symbol}=m`, hint };
  }
  if (check.modules.has(module)) return undefined;
  const found = `CONFIG_${symbol}=m and no module ${module} in the initrd`;
  return { symbol, expected, found, hint: `add ${module} to KernelInitrdModules=` };
}
