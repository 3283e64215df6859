import { type ByteSource, FormatError } from "@cvm-build/bytes";
import { LazyContent } from "@cvm-build/fs-writer";
import { parseOsRelease } from "@cvm-build/rootfs";
import { readUki, type UkiSections } from "@cvm-build/uki";
import type { InspectedProgram } from "./dissection.ts";
import type { FoundTree } from "./trees/found-tree.ts";

const MAX_TEXT_BYTES = 1 << 16;

/** Programs of firmware on file systems that it reads: those below `/EFI`, and what UKIs among them say. */
export function* programsOf({ tree }: FoundTree): Generator<InspectedProgram> {
  for (const [path, node] of tree.entries("/EFI")) {
    if (node.kind !== "file" || !/\.efi$/i.test(path) || !(node.content instanceof LazyContent)) continue;
    const { source } = node.content;
    if (source) yield { path, ...describeProgram(source) };
  }
}

function describeProgram(source: ByteSource): Omit<InspectedProgram, "path"> {
  try {
    const { base } = readUki(source);
    const commandLine = textOf(base, ".cmdline");
    const release = parseOsRelease(textOf(base, ".osrel") ?? "");
    const name = release.get("PRETTY_NAME") ?? release.get("ID");
    return {
      kind: base.has(".linux") ? "uki" : "efi",
      ...(name !== undefined && { name }),
      ...(commandLine !== undefined && { commandLine }),
    };
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    return { kind: "efi", problem: error.message };
  }
}

function textOf(sections: UkiSections, name: ".cmdline" | ".osrel"): string | undefined {
  const content = sections.get(name)?.content;
  if (!content || content.sizeBytes > MAX_TEXT_BYTES) return undefined;
  return content.read(0, content.sizeBytes).toString("utf8").replace(/\0+$/, "");
}
