import { compileGlob, CvmError } from "@cvm-build/bytes";
import { DEFAULT_KERNEL_MODULES } from "./default-modules.ts";
import { normalizeModuleName } from "./module-facts.ts";

/** A setting that names modules, and what `default` in it stands for. */
export interface ModuleSetting {
  /** `KernelModules` or `KernelInitrdModules`. */
  name: string;
  defaults: readonly string[];
}

/** One word of `KernelModules=`. */
export interface ModulePattern {
  /** As written, and in which setting. */
  text: string;
  setting: string;
  excludes: boolean;
  /** From a list of ours: it need not match. */
  isOptional: boolean;
  /** Says whether it matches a path such as `kernel/fs/ext4/ext4`, without suffix. */
  matches(path: string): boolean;
}

/**
 * Parses `KernelModules=` as mkosi has it: ordered globs, `-` excludes, a trailing `/` is a subtree, `default` is a list
 * of ours.
 * @throws CvmError `kernel-modules` for `host`, `re:` and an empty pattern
 */
export function parseModulePatterns(
  words: readonly string[],
  { name, defaults }: ModuleSetting = { name: "KernelModules", defaults: DEFAULT_KERNEL_MODULES },
): ModulePattern[] {
  return words.flatMap((word) =>
    word === "default"
      ? defaults.map((text) => parsePattern(text, { isOptional: true, setting: name }))
      : [parsePattern(word, { isOptional: false, setting: name })],
  );
}

/** Says whether a path is selected: the last pattern that matches decides; none that matches leaves it out. */
export function isSelected(path: string, patterns: readonly ModulePattern[]): boolean {
  return !(patterns.findLast((pattern) => pattern.matches(path))?.excludes ?? true);
}

function parsePattern(
  text: string,
  { isOptional, setting }: Pick<ModulePattern, "isOptional" | "setting">,
): ModulePattern {
  const excludes = text.startsWith("-");
  const glob = excludes ? text.slice(1) : text;
  if (glob === "host" || glob === "") {
    const got = glob === "" ? "an empty pattern" : "host";
    throw new CvmError("kernel-modules", `cannot read ${setting}= "${text}": expected a module or a glob, got ${got}`, {
      hint: "an image does not depend on the machine that builds it: name the modules, or write `default`",
    });
  }
  if (glob.startsWith("re:")) {
    throw new CvmError(
      "kernel-modules",
      `cannot read ${setting}= "${text}": expected a glob, got a regular expression`,
      {
        hint: "globs may use *, ? and […]; a trailing / takes a whole directory",
      },
    );
  }
  const whole = normalizeGlob(glob.endsWith("/") ? `${glob}*` : glob);
  try {
    return { text, setting, excludes, isOptional, matches: compile(whole) };
  } catch (cause) {
    throw new CvmError("kernel-modules", `cannot read ${setting}= "${text}": expected a glob`, { cause });
  }
}

/** @see mkosi(1), KernelModules=: absolute below `kernel/` or the release, partial at a path element, or the basename. */
function compile(glob: string): (path: string) => boolean {
  const isAbsolute = glob.startsWith("/");
  const basename = compileGlob(glob);
  const partial = compileGlob(`*/${glob}`);
  const below = compileGlob(`/kernel${glob}`);
  return (path) => {
    const name = normalizeModuleName(path);
    if (isAbsolute && (below(`/${name}`) || basename(`/${name}`))) return true;
    if (glob.includes("/") && partial(`/${name}`)) return true;
    return basename(name.slice(name.lastIndexOf("/") + 1));
  };
}

/** Dashes become underscores, but not in `[…]`, where they are ranges. */
function normalizeGlob(glob: string): string {
  return glob.replace(/\[[^\]]*\]|-/g, (part) => (part === "-" ? "_" : part));
}
