import type { LinkerCache } from "./format.ts";

/** A cache as text, one library a line, the generator last. */
export function dumpLinkerCache({ libraries, generator }: LinkerCache): string {
  const lines = libraries.map(({ soname, path, flags, hwcaps }) => {
    const level = hwcaps ? ` [${hwcaps.name}, ISA level ${hwcaps.isaLevel}]` : "";
    return `${soname} 0x${flags.toString(16)}${level} => ${path}\n`;
  });
  return `${lines.join("")}generator: ${generator}\n`;
}
