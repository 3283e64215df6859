import { expect, test } from "vitest";
import type { ResolveRequest } from "../resolution.ts";
import { makeIndex, makeUniverse } from "./packages.fixture.ts";
import { resolveAlone, resolvePackages } from "./resolve.ts";
import { PackageUniverse } from "./universe.ts";

/** What a request resolves to, as `name=version` in one line. */
function resolve(
  universe: PackageUniverse | string,
  packages: string[],
  options: Partial<ResolveRequest> = {},
): string {
  const resolution = resolvePackages(typeof universe === "string" ? makeUniverse(universe) : universe, {
    architecture: "amd64",
    packages,
    withEssential: false,
    withRecommends: false,
    ...options,
  });
  return resolution.packages.map(({ name, version }) => (version === "1" ? name : `${name}=${version}`)).join(" ");
}

test.each([
  ["a Depends is followed", "a\nDepends: b\n\nb\nPre-Depends: c (>= 1)\n\nc", ["a"], "a b c"],
  ["a circle ends", "a\nDepends: b\n\nb\nDepends: a", ["a"], "a b"],
  ["the first alternative wins", "a\nDepends: b | c\n\nb\n\nc", ["a"], "a b"],
  ["what is there already wins over the first alternative", "a\nDepends: b | c\n\nb\n\nc", ["a", "c"], "a c"],
  [
    "an alternative that cannot be installed is passed over",
    "a\nDepends: b | c\n\nb\nDepends: gone\n\nc",
    ["a"],
    "a c",
  ],
  ["an alternative of the wrong version is passed over", "a\nDepends: b (>= 2) | c\n\nb\n\nc", ["a"], "a c"],
  [
    "the package of the name wins over providers",
    "a\nDepends: b\n\nx\nProvides: b\nPriority: required\n\nb",
    ["a"],
    "a b",
  ],
  [
    "the higher priority provides",
    "a\nDepends: v\n\nx\nProvides: v\n\ny\nProvides: v\nPriority: standard",
    ["a"],
    "a y",
  ],
  [
    "an essential package provides",
    "a\nDepends: v\n\nx\nProvides: v\nPriority: required\n\ny\nProvides: v\nEssential: yes",
    ["a"],
    "a y",
  ],
  ["of equal providers, the one mentioned last", "a\nDepends: v\n\nx\nProvides: v\n\ny\nProvides: v", ["a"], "a y"],
  ["a mention in a relation counts", "a\nDepends: v\nSuggests: y\n\nx\nProvides: v\n\ny\nProvides: v", ["a"], "a x"],
  [
    "a versioned Provides meets a version",
    "a\nDepends: v (>= 2)\n\nx\nProvides: v (= 2)\n\ny\nProvides: v",
    ["a"],
    "a x",
  ],
  ["an unversioned Provides meets none", "a\nDepends: v (>= 2) | z\n\ny\nProvides: v\n\nz", ["a"], "a z"],
  [":any needs Multi-Arch: allowed", "a\nDepends: p:any | q\n\np\n\nq", ["a"], "a q"],
  [":any is met by Multi-Arch: allowed", "a\nDepends: p:any (>= 1) | q\n\np\nMulti-Arch: allowed\n\nq", ["a"], "a p"],
  [":native and the own architecture are the plain name", "a\nDepends: p:native, q:amd64\n\np\n\nq", ["a"], "a p q"],
  ["other architectures are not there", "a\nDepends: p:i386 | q\n\np\n\nq", ["a"], "a q"],
  ["what conflicts with the request is passed over", "a\nDepends: b | c\nConflicts: b\n\nb\n\nc", ["a"], "a c"],
  ["what breaks the request is passed over", "a\nDepends: b | c\n\nb\nBreaks: a (<< 2)\n\nc", ["a"], "a c"],
  ["Conflicts with a version that is not there is harmless", "a\nConflicts: b (<< 1)\n\nb", ["a", "b"], "a b"],
  ["Conflicts with a virtual name that it provides itself", "a\nProvides: v\nConflicts: v\n\nb", ["a", "b"], "a b"],
  [
    "what a given-up choice needed is swept away",
    "a\nDepends: b | c\n\nb\nDepends: d, e\n\nd\n\ne\nConflicts: a\n\nc",
    ["a"],
    "a c",
  ],
  [
    "a choice that a later request rules out is made again",
    "a\nDepends: b | c\n\nb\n\nc\n\nd\nConflicts: b",
    ["a", "d"],
    "a c d",
  ],
  [
    "a choice is made again deep down, through a virtual name",
    "a\nDepends: b\n\nb\nDepends: x | v\n\nx\n\ny\nProvides: v\nDepends: z\n\nz\n\nd\nConflicts: x",
    ["a", "d"],
    "a b d y z",
  ],
  ["Recommends and Suggests are not followed", "a\nRecommends: b\nSuggests: c\n\nb\n\nc", ["a"], "a"],
  ["a name that is there twice", "a", ["a", "a", "a:amd64"], "a"],
  ["a virtual name with one provider", "x\nProvides: v", ["v"], "x"],
  [
    "a glob",
    "linux-image-6.1-cloud-amd64\n\nlinux-image-6.2-cloud-amd64\n\nlinux-image-6.2-rt-amd64",
    ["linux-image-6.*-cloud-amd64"],
    "linux-image-6.1-cloud-amd64 linux-image-6.2-cloud-amd64",
  ],
  ["the highest version", "a 1\n\na 3\n\na 2", ["a"], "a=3"],
  ["a version by name", "a 1\n\na 3\n\na 2", ["a=2"], "a=2"],
  ["a version by glob", "a 1.1\n\na 2.1\n\na 2.2", ["a=1.*"], "a=1.1"],
  ["other architectures are passed over", "a 2\nArchitecture: arm64\n\na 1\nArchitecture: all", ["a"], "a"],
] as const)("%s", (_, paragraphs, packages, expected) => {
  expect(resolve(paragraphs, [...packages])).toBe(expected);
});

test("Recommends are followed on request, where they can be", () => {
  const universe = makeUniverse("a\nRecommends: b, gone\n\nb");
  expect(resolve(universe, ["a"], { withRecommends: true })).toBe("a b");
});

test("the Essential set is added on request", () => {
  const universe = makeUniverse(
    "a\n\nbash\nEssential: yes\nDepends: libc\n\nlibc\n\ndash\nEssential: yes\nArchitecture: arm64",
  );
  expect(resolve(universe, ["a"])).toBe("a");
  expect(resolve(universe, ["a"], { withEssential: true })).toBe("a bash libc");
  const { packages } = resolvePackages(universe, {
    architecture: "amd64",
    packages: ["a"],
    withEssential: true,
    withRecommends: false,
  });
  expect(packages.map(({ name, requestedBy }) => [name, requestedBy])).toEqual([
    ["a", ["profile"]],
    ["bash", ["essential"]],
    ["libc", ["bash"]],
  ]);
});

test("the highest version of all suites wins, whatever their order; a tie goes to the suite that sorts first", () => {
  const indexes = [
    makeIndex("a 1\n\nb 1\nDepends: a", { repository: "trixie" }),
    makeIndex("a 2", { repository: "trixie-security" }),
    makeIndex("a 2\n\nc 1", { repository: "trixie-updates" }),
  ];
  const shuffled = [
    indexes,
    indexes.toReversed(),
    [indexes[1], indexes[0], indexes[2]].filter((each) => each !== undefined),
  ];
  for (const each of shuffled) {
    const universe = new PackageUniverse(each);
    expect(resolve(universe, ["b"])).toBe("a=2 b");
    expect(resolveAlone(universe, "a", { architecture: "amd64" })).toMatchObject({
      version: "2",
      repository: "trixie-security",
      requestedBy: ["profile"],
    });
  }
});

test("a package alone comes without its dependencies", () => {
  const universe = makeUniverse("systemd-boot-efi 257\nDepends: gone\nSource: systemd (257-1)");
  const { sha256: _, ...rest } = resolveAlone(universe, "systemd-boot-efi", { architecture: "amd64" });
  expect(rest).toEqual({
    name: "systemd-boot-efi",
    version: "257",
    architecture: "amd64",
    repository: "trixie",
    path: "pool/main/systemd-boot-efi_257_trixie.deb",
    sizeBytes: 1000,
    source: { name: "systemd", version: "257-1" },
    requestedBy: ["profile"],
  });
});
