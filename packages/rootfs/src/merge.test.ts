import { CvmError } from "@cvm-build/bytes";
import { FileTree, type Origin, parentOf } from "@cvm-build/fs-writer";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { TreeMerger } from "./merge.ts";
import { landingPath } from "./packages/landing-path.ts";
import type { PayloadEntry } from "./packages/payload.ts";
import { treeFixture } from "./tree.fixture.ts";

describe("landingPath", () => {
  const tree = treeFixture({
    "/bin": "-> usr/bin",
    "/usr/bin/x": "",
    "/abs": "-> /usr",
    "/up": "-> usr/../usr/./bin",
    "/out": "-> ..",
    "/loop": "-> loop",
    "/usr/deep": "-> ../abs/bin",
  });

  it.each([
    ["/usr/bin/x", "/usr/bin/x"],
    ["/bin/x", "/usr/bin/x"],
    ["/bin", "/bin"],
    ["/abs/bin/new", "/usr/bin/new"],
    ["/up/y", "/usr/bin/y"],
    ["/usr/deep/y", "/usr/bin/y"],
    ["/nothing/here/yet", "/nothing/here/yet"],
    ["/loop", "/loop"],
    ["/", "/"],
  ])("%s lands at %s", (path, place) => {
    expect(landingPath(tree, path, "t")).toBe(place);
  });

  it.each([
    ["/out/x", "expected symbolic links that stay inside the image"],
    ["/loop/x", "expected at most 40 symbolic links"],
  ])("refuses %s", (path, message) => {
    expect(() => landingPath(tree, path, "t")).toThrow(message);
  });
});

describe("TreeMerger", () => {
  const origin = (name: string): Origin => ({ kind: "package", name });
  const attributes = { mode: 0o755, uid: 0, gid: 0, mtimeSec: 0 };
  const name = fc.constantFrom("a", "b", "c", "bin", "usr");
  const path = fc.array(name, { minLength: 1, maxLength: 4 }).map((names) => `/${names.join("/")}`);
  const target = fc.array(fc.constantFrom("..", "a", "b", "usr", "bin"), { minLength: 1, maxLength: 4 });
  const entry: fc.Arbitrary<PayloadEntry> = fc.oneof(
    path.map((at): PayloadEntry => ({ ...attributes, path: at, kind: "directory" })),
    path.map((at): PayloadEntry => ({ ...attributes, path: at, kind: "fifo" })),
    fc.tuple(path, path).map(([at, to]): PayloadEntry => ({ ...attributes, path: at, kind: "hardlink", target: to })),
    fc.tuple(path, target, fc.boolean()).map(([at, to, isAbsolute]): PayloadEntry => ({
      ...attributes,
      path: at,
      kind: "symlink",
      target: (isAbsolute ? "/" : "") + to.join("/"),
    })),
  );

  it("makes a sound tree or says what is wrong, whatever the packages hold", () => {
    fc.assert(
      fc.property(fc.array(fc.array(entry, { maxLength: 8 }), { maxLength: 4 }), (packages) => {
        const tree = new FileTree({ ...attributes, origin: origin("root") });
        const merger = new TreeMerger(tree);
        merger.layOutMergedUsr({ hasLib64: true });
        try {
          for (const [index, entries] of packages.entries()) {
            const empty = { version: "", architecture: "", replaces: [], scripts: {}, conffiles: [] };
            const payload = { index: { name: `p${index}`, ...empty, entries }, tarPath: "/nonexistent" };
            merger.add(payload, { origin: origin(`p${index}`), replaces: new Set(), exclude: () => false });
          }
        } catch (error) {
          if (!(error instanceof CvmError) || error.code === "tree") throw error;
        }
        for (const [at] of tree.entries()) expect(tree.get(parentOf(at))?.kind).toBe("directory");
        expect(tree.get("/bin")).toMatchObject({ kind: "symlink", target: "usr/bin" });
        expect(tree.get("/usr/bin")?.kind).toBe("directory");
      }),
      { seed: 4, numRuns: 2000 },
    );
  });
});
