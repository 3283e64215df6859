import { readFileSync, statSync } from "node:fs";
import { bytesSource } from "@cvm-build/bytes";
import type { UkiSettings } from "@cvm-build/profile";
import { encodeHwids, isSectionName, microcodeArchives, readHwidDirectory, type SectionInput } from "@cvm-build/uki";

/**
 * The sections that a profile takes from files: microcode of any form becomes one `.ucode`, a folder of descriptions
 * `.hwids`, all else is taken as it is. Of several `.initrd` the later add to the earlier.
 * @throws CvmError `uki-section` where a file is not what its section wants
 */
export function fileSections({ sections }: UkiSettings): SectionInput[] {
  const microcode = sections.filter(({ name }) => name === ".ucode");
  const ucode = microcodeArchives(microcode.map(({ path }) => ({ name: path, content: readSource(path) })));
  const others = sections.filter(({ name }) => name !== ".ucode");
  return [
    ...(ucode.length > 0 ? [{ name: ".ucode" as const, content: ucode }] : []),
    ...others.flatMap(({ name, path }) =>
      isSectionName(name) ? [{ name, content: [sectionSource(name, path)] }] : [],
    ),
  ];
}

function sectionSource(name: string, path: string) {
  if (name === ".hwids" && statSync(path).isDirectory()) return bytesSource(encodeHwids(readHwidDirectory(path)));
  return readSource(path);
}

function readSource(path: string) {
  return bytesSource(readFileSync(path));
}
