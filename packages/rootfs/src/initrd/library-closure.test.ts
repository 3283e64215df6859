import { contentOf, FileTree } from "@cvm-build/fs-writer";
import { describe, expect, it } from "vitest";
import { type LibraryRecipe, makeLibrary } from "../elf/elf.fixture.ts";
import { treeFixture } from "../tree.fixture.ts";
import { takeLibraries } from "./library-closure.ts";
import { TreePicker } from "./tree-picker.ts";

const LIB = "/usr/lib/x86_64-linux-gnu";

/** Takes /bin/program of a tree with these objects, links and texts. */
function closureOf(objects: Record<string, LibraryRecipe | string>, features: string[] = []): string[] {
  const texts = Object.entries(objects).map(([path, object]) => [path, typeof object === "string" ? object : ""]);
  const source = treeFixture(Object.fromEntries(texts) as Record<string, string>);
  for (const [path, object] of Object.entries(objects)) {
    const node = source.get(path);
    if (typeof object === "string" || node?.kind !== "file") continue;
    source.set(path, { ...node, content: contentOf(makeLibrary(object)) });
  }
  const picker = new TreePicker({ source, target: new FileTree(source.get("/")!) });
  picker.take("/bin/program");
  return takeLibraries(picker, { architecture: "x86-64", features: new Set(features) });
}

const suggestion = (feature: string, soname: string, priority = "suggested"): string =>
  JSON.stringify([{ feature, soname: [soname], priority }]);

describe("libraries of an initrd", () => {
  it("are those that programs need, and what these need, through links", () => {
    const taken = closureOf({
      "/bin/program": { interpreter: "/lib64/ld.so", needed: ["liba.so.1"] },
      "/lib64/ld.so": `-> ..${LIB}/ld-real.so`,
      [`${LIB}/ld-real.so`]: { soname: "ld.so" },
      [`${LIB}/liba.so.1`]: "-> liba.so.1.2",
      [`${LIB}/liba.so.1.2`]: { soname: "liba.so.1", needed: ["libb.so", "ld.so"] },
      [`${LIB}/libb.so`]: { needed: ["liba.so.1"] },
      [`${LIB}/ld.so`]: "-> ld-real.so",
      [`${LIB}/libunused.so`]: {},
    });
    expect(taken).toEqual([`${LIB}/ld-real.so`, `${LIB}/liba.so.1.2`, `${LIB}/libb.so`]);
  });

  it("are found where the object says, and in directories of ld.so.conf before the usual ones", () => {
    const taken = closureOf({
      "/etc/ld.so.conf": "/opt/lib\n",
      "/bin/program": { needed: ["libown.so", "libopt.so"], runpath: "$ORIGIN/../own" },
      "/own/libown.so": {},
      [`${LIB}/libown.so`]: {},
      "/opt/lib/libopt.so": {},
      [`${LIB}/libopt.so`]: {},
    });
    expect(taken).toEqual(["/own/libown.so", "/opt/lib/libopt.so"]);
  });

  it("may be found by another object of the same process", () => {
    const taken = closureOf({
      "/bin/program": { needed: ["libcore.so", "libshared.so"], runpath: "/private" },
      "/private/libcore.so": { needed: ["libshared.so"] },
      "/private/libshared.so": {},
    });
    expect(taken).toEqual(["/private/libcore.so", "/private/libshared.so"]);
  });

  it("are of those that are loaded later the recommended ones that are there, and suggested ones of wanted features", () => {
    const taken = closureOf(
      {
        "/bin/program": {
          dlopens: [
            suggestion("kmod", "libkmod.so.2", "recommended"),
            suggestion("zstd", "libzstd.so.1", "recommended"),
            suggestion("tpm", "libtss2-esys.so.0"),
            suggestion("qrencode", "libqrencode.so.4"),
          ],
        },
        [`${LIB}/libkmod.so.2`]: {},
        [`${LIB}/libtss2-esys.so.0`]: {},
        [`${LIB}/libtss2-tcti-device.so.0`]: {},
        [`${LIB}/libqrencode.so.4`]: {},
      },
      ["tpm"],
    );
    expect(taken.map((path) => path.slice(LIB.length + 1))).toEqual([
      "libkmod.so.2",
      "libtss2-esys.so.0",
      "libtss2-tcti-device.so.0",
    ]);
  });

  it.each<[string, LibraryRecipe, string]>([
    ["library", { needed: ["libgone.so.1"] }, "libgone.so.1"],
    ["dynamic linker", { interpreter: "/lib64/ld.so" }, "/lib64/ld.so"],
    ["library that is loaded later", { dlopens: [suggestion("x", "libgone.so", "required")] }, "libgone.so"],
  ])("must all be there: a missing %s", (_, program, name) => {
    const message = `cannot put "/bin/program" into the initrd: expected its library "${name}", got no such file`;
    expect(() => closureOf({ "/bin/program": program })).toThrow(message);
  });
});
