import { describe, expect, it } from "vitest";
import { addressOf, joinAddress, MirrorList, type MirrorSettings } from "./mirrors.ts";

const ARCHIVES = { main: "http://main", security: "http://security", snapshot: "http://snapshot" };

const mirrors = () => new MirrorList({ aptDirectory: "/nowhere", archives: ARCHIVES });

describe("mirrors", () => {
  const stamp = "20260528T084923Z";

  it.each<[string, MirrorSettings, string[], string[]]>([
    ["nothing", {}, ["http://main"], ["http://security"]],
    ["a mirror", { mirror: "http://own/" }, ["http://own"], ["http://security"]],
    ["both", { mirror: "http://a", securityMirror: "http://b" }, ["http://a"], ["http://b"]],
    ["a folder", { mirror: "m", baseDirectory: "/p" }, ["file:///p/m"], ["http://security"]],
    [
      "a moment",
      { snapshot: stamp },
      [`http://snapshot/archive/debian/${stamp}`],
      [`http://snapshot/archive/debian-security/${stamp}`],
    ],
    [
      "a moment and who has it, as mkosi reads the two",
      { snapshot: stamp, mirror: "http://own/" },
      [`http://own/archive/debian/${stamp}`],
      [`http://own/archive/debian-security/${stamp}`],
    ],
  ])("for metadata, of a profile that names %s", (_, settings, main, security) => {
    expect(mirrors().forMetadata("main", settings)).toEqual(main);
    expect(mirrors().forMetadata("security", settings)).toEqual(security);
  });

  it.each<[string, MirrorSettings, string[]]>([
    ["nothing", {}, ["http://main"]],
    ["a mirror", { mirror: "http://own" }, ["http://own", "http://main"]],
    ["the public archive", { mirror: "http://main" }, ["http://main"]],
    ["a moment", { snapshot: stamp }, ["http://main", `http://snapshot/archive/debian/${stamp}`]],
    [
      "a moment and who has it",
      { snapshot: stamp, mirror: "http://own" },
      [`http://own/archive/debian/${stamp}`, "http://main"],
    ],
  ])("for packages, of a profile that names %s", (_, settings, expected) => {
    expect(mirrors().forPackages("main", settings)).toEqual(expected);
  });

  it.each(["", "today", "2026-05-28", "20260528", "20260528T084923", "../20260528T084923Z"])(
    "are none for the moment %j",
    (snapshot) => {
      expect(() => mirrors().forMetadata("main", { snapshot })).toThrow(
        expect.objectContaining({ code: "wrong-repository" }),
      );
    },
  );
});

it.each([
  ["http://a/b/", "http://a/b"],
  ["HTTPS://a", "HTTPS://a"],
  ["file:///a/", "file:///a"],
  ["a/b", "file:///base/a/b"],
  ["./a b", "file:///base/a%20b"],
  ["/a/b/", "file:///a/b"],
  ["../a", "file:///a"],
])("addressOf(%j) is %s", (place, expected) => {
  expect(addressOf(place, "/base")).toBe(expected);
});

it.each([
  ["pool/main/g/gcc/g++_1.0~rc1-1_amd64.deb", "http://a/pool/main/g/gcc/g%2B%2B_1.0~rc1-1_amd64.deb"],
  ["dists/trixie/InRelease", "http://a/dists/trixie/InRelease"],
  ["a:b?c#d", "http://a/a%3Ab%3Fc%23d"],
])("joinAddress of %j is %s", (path, expected) => {
  expect(joinAddress("http://a", path)).toBe(expected);
});
