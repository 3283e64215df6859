import { type FileTree, readContent } from "@cvm-build/fs-writer";
import { findUnit, isMasked, unitDirectories } from "@cvm-build/rootfs";

/** A unit that something starts. */
export interface StartedUnit {
  name: string;
  /** The link that has it started. */
  link: string;
}

/** The first program that a service runs, with its arguments. */
export interface UnitCommand {
  /** As written, without prefixes. */
  program: string;
  args: string[];
}

/** More than any unit has; the rest is not read. */
const MAX_TEXT_BYTES = 1 << 20;
const PROGRAM_FOLDERS = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];

/** A text file of the image, or undefined where there is none. */
export function readText(tree: FileTree, path: string): string | undefined {
  const node = tree.follow(path);
  if (node?.kind !== "file" || node.content.sizeBytes > MAX_TEXT_BYTES) return undefined;
  return readContent(node.content).toString("utf8");
}

/** Whether a file of that name is in the image, links followed. */
export function hasFile(tree: FileTree, path: string): boolean {
  return tree.follow(path)?.kind === "file";
}

/** Whether the image runs systemd. */
export function hasSystemd(tree: FileTree): boolean {
  return hasFile(tree, "/usr/lib/systemd/systemd") || hasFile(tree, "/lib/systemd/systemd");
}

/** Units that others want or require, but for masked ones. */
export function startedUnits(tree: FileTree): StartedUnit[] {
  const links = unitDirectories("system").flatMap((directory) =>
    tree
      .list(directory)
      .filter((name) => /\.(wants|requires|upholds)$/.test(name))
      .flatMap((folder) => tree.list(`${directory}/${folder}`).map((name) => [name, `${directory}/${folder}/${name}`])),
  );
  const started = new Map<string, string>();
  for (const [name = "", link = ""] of links) {
    const node = tree.get(link);
    const isUndone = node?.kind === "symlink" && node.target === "/dev/null";
    if (!isUndone && !started.has(name) && isStartable(tree, name)) started.set(name, link);
  }
  return [...started].map(([name, link]) => ({ name, link }));
}

/** Whether a unit is there and not masked. */
export function isStartable(tree: FileTree, name: string): boolean {
  return findUnit(tree, name) !== undefined && !isMasked(tree, name);
}

/** What a unit with its drop-ins says for a setting; an empty assignment takes away what was said before. */
export function unitValues(tree: FileTree, name: string, setting: string): string[] {
  const path = findUnit(tree, name);
  if (path === undefined) return [];
  const [section, key] = setting.split(".");
  const names = [...new Set([path.slice(path.lastIndexOf("/") + 1), name])];
  const dropIns = names.flatMap((unit) =>
    unitDirectories("system")
      .toReversed()
      .flatMap((directory) => tree.list(`${directory}/${unit}.d`).map((file) => `${directory}/${unit}.d/${file}`)),
  );
  const values: string[] = [];
  for (const file of [path, ...dropIns.filter((dropIn) => dropIn.endsWith(".conf"))]) {
    for (const line of linesOf(readText(tree, file) ?? "", section)) {
      const [, assigned, value = ""] = /^([A-Za-z]+)\s*=\s*(.*?)\s*$/.exec(line) ?? [];
      if (assigned !== key) continue;
      if (value === "") values.length = 0;
      else values.push(value);
    }
  }
  return values;
}

/** What a service starts, first `ExecStart=` first. */
export function unitCommands(tree: FileTree, name: string): UnitCommand[] {
  return unitValues(tree, name, "Service.ExecStart").map((line) => {
    const [program = "", ...args] = line.replace(/^[-@:+!|]+/, "").split(/\s+/);
    return { program, args };
  });
}

/** Whether a program of a unit is in the image. */
export function hasProgram(tree: FileTree, program: string): boolean {
  const paths = program.startsWith("/") ? [program] : PROGRAM_FOLDERS.map((folder) => `${folder}/${program}`);
  return paths.some((path) => hasFile(tree, path));
}

function linesOf(text: string, section: string | undefined): string[] {
  let isInside = false;
  return text
    .replace(/\\\n/g, " ")
    .split("\n")
    .filter((line) => {
      const header = /^\[(.+)\]\s*$/.exec(line);
      if (header) isInside = header[1] === section;
      return isInside && !header;
    });
}
