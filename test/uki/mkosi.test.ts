import { openFileSource } from "@cvm-build/bytes";
import { inspectUki } from "@cvm-build/uki";
import { describe, expect, it } from "vitest";
import { debianRoot } from "../support/trixie-root.ts";

/**
 * Path of a UKI that mkosi has built: minutes, root and a folder of tools, as `bench/mkosi.ts` says, which is too much for CI.
 *
 *     CVM_MKOSI_UKI=/tmp/mk/p/mkosi.output/peer.efi pnpm test test/uki/mkosi.test.ts
 */
const PATH = process.env["CVM_MKOSI_UKI"];

describe.skipIf(PATH === undefined)("a UKI that mkosi built", () => {
  it("has the sections that ukify inspect says", () => {
    const root = debianRoot("trixie", ["systemd-ukify"]);
    if (!root || PATH === undefined) throw new Error("expected ukify of Debian trixie");
    using image = openFileSource(PATH);
    const { kind, sections } = inspectUki(image);
    expect(kind).toBe("uki");
    const theirs = JSON.parse(root.run("usr/bin/ukify", ["--json=short", "inspect", PATH])) as Record<
      string,
      { size: number; sha256: string }
    >;
    expect(Object.keys(theirs)).toContain(".initrd");
    expect(Object.fromEntries(sections.map(({ name, sizeBytes, sha256 }) => [name, [sizeBytes, sha256]]))).toEqual(
      Object.fromEntries(Object.entries(theirs).map(([name, { size, sha256 }]) => [name, [size, sha256]])),
    );
  });
});
