import { expect, test } from "vitest";
import { contentOf } from "../content.ts";
import { FileTree } from "../file-tree.ts";
import type { Origin } from "../tree.ts";
import { planSegments } from "./plan.ts";

const ATTRIBUTES = { mode: 0o644, uid: 0, gid: 0, mtimeSec: 0 };

/** Keys of the segments of a tree with one file of each origin, in that order. */
function keysOf(origins: Origin[]): string[] {
  const tree = new FileTree({ ...ATTRIBUTES, origin: { kind: "finisher", name: "root" } });
  for (const [index, origin] of origins.entries()) {
    tree.set(`/${index}`, { ...ATTRIBUTES, origin, kind: "file", content: contentOf(String(index)) });
  }
  const plans = planSegments(tree, { compression: { algorithm: "none" }, mtimeClampSec: 0 });
  return plans.map(({ key }) => key);
}

test("where extra trees are on this machine does not decide their order in the image", () => {
  const extras = (...names: string[]): Origin[] => names.map((name) => ({ kind: "extra", name }));
  expect(keysOf(extras("/home/me/profiles/tree", "/srv/tree"))).toEqual(keysOf(extras("/work/tree", "/srv/tree")));
});

test("packages are in the order of their names, wherever their files are", () => {
  const packages = (...names: string[]): Origin[] => names.map((name) => ({ kind: "package", name }));
  const [directories, ofB, ofA] = keysOf(packages("a", "b"));
  expect(keysOf(packages("b", "a"))).toEqual([directories, ofA, ofB]);
});
