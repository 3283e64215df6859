import { contentOf, type FileTree, parentOf } from "@cvm-build/fs-writer";
import type { Finisher, FinisherContext, FinisherEffect } from "../finisher.ts";
import { finisherEditor } from "../finishers/editor.ts";
import type { TreeEditor } from "../tree-editor.ts";
import { makeModuleIndexes } from "./depmod.ts";
import { FactsCache } from "./facts-cache.ts";
import {
  listKernelReleases,
  listModuleFiles,
  type ModuleFile,
  MODULES_DIRECTORY,
  readReleaseFile,
} from "./module-files.ts";
import { DEFAULT_INITRD_MODULES, DEFAULT_KERNEL_MODULES } from "./default-modules.ts";
import { type ModuleSetting, parseModulePatterns } from "./patterns.ts";
import { type ModuleSelection, selectModules } from "./select-modules.ts";

/** What decides which modules a tree keeps. */
interface ModuleRequest extends ModuleSetting {
  words: readonly string[];
}

/** Keeps the kernel modules that `KernelModules=` asks for, with what they depend on, and writes depmod's indexes. */
export const kernelModulesFinisher: Finisher = {
  name: "kernel-modules",
  replaces: ["depmod"],
  finish(tree, context) {
    const words = context.profile.content.kernelModules;
    return keepModules(tree, context, { name: "KernelModules", defaults: DEFAULT_KERNEL_MODULES, words });
  },
};

/** The same for an initrd, as `KernelInitrdModules=` asks; a default list where it asks for none. */
export const initrdModulesFinisher: Finisher = {
  name: "kernel-modules",
  replaces: ["depmod"],
  finish(tree, context) {
    const { kernelInitrdModules } = context.profile.content;
    const words = kernelInitrdModules.length === 0 ? ["default"] : kernelInitrdModules;
    return keepModules(tree, context, { name: "KernelInitrdModules", defaults: DEFAULT_INITRD_MODULES, words });
  },
};

async function keepModules(tree: FileTree, context: FinisherContext, request: ModuleRequest): Promise<FinisherEffect> {
  const editor = finisherEditor(tree, "kernel-modules", context);
  const summaries: string[] = [];
  for (const release of listKernelReleases(tree)) {
    summaries.push(await finishRelease(tree, release, { context, editor, request }));
  }
  return editor.effect(summaries.length === 0 ? "no kernel modules in the tree" : summaries.join("; "));
}

async function finishRelease(
  tree: FileTree,
  release: string,
  { context, editor, request }: { context: FinisherContext; editor: TreeEditor; request: ModuleRequest },
): Promise<string> {
  const files = listModuleFiles(tree, release);
  const facts = new FactsCache(context.cache, { files, request: [request.name, ...request.words] });
  const builtin = readReleaseFile(tree, release, "modules.builtin")?.toString("latin1");
  const selection = await select(
    { release, files, builtinPaths: builtin?.split("\n").filter(Boolean) ?? [] },
    request,
    facts,
  );
  const kept = new Set(selection.kept);
  for (const file of files) if (!kept.has(file)) dropModule(tree, file, editor);
  const allFacts = await facts.getAll(selection.kept);
  facts.save();
  const indexes = makeModuleIndexes({
    modules: selection.kept.flatMap((file, index) => {
      const known = allFacts[index];
      return known ? [{ name: file.name, relativePath: file.relativePath, facts: known }] : [];
    }),
    order: readReleaseFile(tree, release, "modules.order")?.toString("latin1") ?? "",
    builtin,
    builtinModinfo: readReleaseFile(tree, release, "modules.builtin.modinfo"),
  });
  for (const [name, bytes] of indexes) editor.writeFile(`${MODULES_DIRECTORY}/${release}/${name}`, contentOf(bytes));
  const note = selection.builtin.length === 0 ? "" : `, built in: ${selection.builtin.join(" ")}`;
  return `${kept.size} of ${files.length} modules of ${release}${note}`;
}

async function select(
  universe: { release: string; files: ModuleFile[]; builtinPaths: string[] },
  request: ModuleRequest,
  facts: FactsCache,
): Promise<ModuleSelection> {
  if (request.words.length === 0) return { kept: universe.files, builtin: [] };
  return selectModules(universe, parseModulePatterns(request.words, request), {
    factsOf: (files) => facts.getAll(files),
  });
}

/** Takes the module away, and the directories that it leaves empty. */
function dropModule(tree: FileTree, file: ModuleFile, editor: TreeEditor): void {
  editor.remove(file.path);
  const root = file.path.slice(0, -file.relativePath.length - 1);
  for (let parent = parentOf(file.path); parent !== root && tree.list(parent).length === 0; parent = parentOf(parent)) {
    editor.remove(parent);
  }
}
