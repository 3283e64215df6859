import { CvmError } from "@cvm-build/bytes";
import { expect, test } from "vitest";
import { makeUniverse } from "./packages.fixture.ts";
import { resolvePackages } from "./resolve.ts";

function refuse(paragraphs: string, packages: string[]): CvmError {
  const universe = makeUniverse(paragraphs);
  try {
    resolvePackages(universe, { architecture: "amd64", packages, withEssential: false, withRecommends: false });
  } catch (error) {
    if (error instanceof CvmError) return error;
    throw error;
  }
  throw new Error("the request resolved");
}

test.each([
  [
    "a missing package at the end of a chain",
    "a 1.5\nDepends: b\n\nb 2\nDepends: c (>= 3) | d\n\nc 2",
    ["a"],
    'cannot resolve package "a": expected c (>= 3) | d for a 1.5 → b 2, got c 2',
    "add a repository that has c or d, or ask for another package than a",
  ],
  [
    "a name that nothing has",
    "a\nDepends: gone",
    ["a"],
    'cannot resolve package "a": expected gone for a 1, got no package of that name',
    "add a repository that has gone, or ask for another package than a",
  ],
  [
    "two requested packages in conflict",
    "a\nConflicts: b\n\nb",
    ["a", "b"],
    'cannot resolve packages "a", "b": expected packages that can be installed together, got a 1 and b 1: a conflicts with b, which is b 1',
    "leave out a or b",
  ],
  [
    "a conflict deep down, through a virtual name",
    "a\nDepends: x\n\nx\nProvides: mta\nConflicts: mta\n\nb\nDepends: y\n\ny\nProvides: mta",
    ["a", "b"],
    'cannot resolve packages "a", "b": expected packages that can be installed together, got a 1 → x 1 and b 1 → y 1: x conflicts with mta, which is y 1',
    "leave out a or b",
  ],
  [
    "Breaks of a version",
    "a\nDepends: c\n\nb\nBreaks: c (<< 2)\n\nc 1.9",
    ["a", "b"],
    'cannot resolve packages "b", "a": expected packages that can be installed together, got b 1 and a 1 → c 1.9: b breaks c (<< 2), which is c 1.9',
    "leave out b or a",
  ],
  [
    "every alternative shut out",
    "a\nDepends: x | y\n\nx\n\ny\n\nb\nConflicts: x, y",
    ["a", "b"],
    'cannot resolve packages "b", "a": expected packages that can be installed together, got b 1 and a 1 → x 1: b conflicts with x, which is x 1',
    "leave out b or a",
  ],
  [
    "two needs of one package that exclude each other",
    "a\nDepends: x, y\n\nx\n\ny\nConflicts: x\n\nz",
    ["a", "z"],
    'cannot resolve package "a": expected packages that can be installed together, got a 1 → y 1 and a 1 → x 1: y conflicts with x, which is x 1',
    "ask for another package than a",
  ],
])("%s is explained", (_, paragraphs, packages, message, hint) => {
  const error = refuse(paragraphs, packages);
  expect(error.code).toBe("unsatisfiable");
  expect(error.message).toBe(message);
  expect(error.hint).toBe(hint);
});

test("the chains are there for machines", () => {
  expect(refuse("a\nDepends: b\n\nb\nDepends: c", ["a"]).details).toEqual({
    packages: ["a"],
    chains: [["a 1", "b 1", "c"]],
  });
});

test.each([
  ["systmed", "got an unknown name", "did you mean systemd?", { suggestions: ["systemd"] }],
  ["zzzzzz", "got an unknown name", "check the name, Release= and Repositories=", { suggestions: [] }],
  [
    "mta",
    "got a virtual name that exim4, postfix provide",
    "ask for one of them: exim4, postfix",
    { providers: ["exim4", "postfix"] },
  ],
  ["exim4=9", "expected version 9, got 2 (trixie), 1 (trixie)", "ask for exim4=2", { versions: ["2", "1"] }],
  [
    "exim4:arm64",
    "expected a package for arm64, got one for amd64",
    "ask for exim4 without",
    { architectures: ["amd64"] },
  ],
  ["ghost-*", "got an unknown name", "check the name", { suggestions: [] }],
])("%s is no package", (text, problem, hint, details) => {
  const error = refuse("systemd\n\nexim4 1\nProvides: mta\n\nexim4 2\nProvides: mta\n\npostfix\nProvides: mta", [text]);
  expect(error.code).toBe("no-such-package");
  expect(error.message).toMatch(`cannot resolve package "${text}": expected`);
  expect(error.message).toContain(problem);
  expect(error.hint).toContain(hint);
  expect(error.details).toEqual({ package: text, ...details });
});
