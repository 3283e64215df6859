import { describe, expect, it } from "vitest";
import { sourceFiles } from "./sources.ts";

/** Who may import whom: the table of the architecture. */
const MAY_IMPORT: Record<string, readonly string[]> = {
  bytes: [],
  profile: ["bytes"],
  resolver: ["bytes"],
  store: ["bytes", "resolver"],
  "fs-writer": ["bytes"],
  rootfs: ["bytes", "fs-writer", "profile", "resolver"],
  uki: ["bytes"],
  measure: ["bytes", "uki", "fs-writer"],
  vm: ["bytes", "measure"],
  image: ["bytes", "profile", "resolver", "store", "fs-writer", "rootfs", "uki", "measure", "vm"],
  cli: ["bytes", "image"],
  "plugins/service": ["bytes"],
  "plugins/aws": ["bytes", "uki", "signer-service"],
  "plugins/gcp": ["bytes", "uki", "signer-service"],
  "plugins/azure": ["bytes", "uki", "signer-service"],
};

/** Packages of which only the types may be used. */
const TYPES_ONLY: Record<string, readonly string[]> = {
  store: ["resolver"],
  rootfs: ["resolver", "profile"],
  "plugins/aws": ["uki"],
  "plugins/gcp": ["uki"],
  "plugins/azure": ["uki"],
};

const IMPORT = /(?:^|\n)\s*(?:import|export)\s+(type\s+)?([^;]*?)\s*from\s+"([^"]+)"/g;
/** Names of types alone; Node loads what they are from all the same, unless `type` stands in front of all of them. */
const TYPES = /^\{(\s*type\s[^,}]+,?)+\s*\}$/;

describe("imports", () => {
  const files = sourceFiles();

  it("covers every package", () => {
    expect([...new Set(files.map((file) => file.package))].sort()).toEqual(Object.keys(MAY_IMPORT).sort());
  });

  it.each(files.map((file) => [file.path, file] as const))("%s", (_, file) => {
    for (const [, typeOnly, names = "", target] of file.text.matchAll(IMPORT)) {
      expect(names, "what is only types is import type, export type").not.toMatch(TYPES);
      if (!target?.startsWith("@cvm-build/")) {
        if (target?.startsWith(".")) expect(target, "relative imports name the file").toMatch(/\.ts$/);
        continue;
      }
      const name = target.slice("@cvm-build/".length);
      expect(name, "packages are imported as a whole").not.toContain("/");
      expect(MAY_IMPORT[file.package], `${file.package} imports ${name}`).toContain(name);
      if (TYPES_ONLY[file.package]?.includes(name) && !file.isTest) {
        expect(typeOnly, `${file.package} uses only the types of ${name}`).toBeDefined();
      }
    }
  });
});
