import { dumpTree, readContent } from "@cvm-build/fs-writer";
import type { Profile } from "@cvm-build/profile";
import { describe, expect, it } from "vitest";
import { profileFixture } from "../profile.fixture.ts";
import { treeFixture } from "../tree.fixture.ts";
import { makePortableTree } from "./portable-tree.ts";

const { output } = profileFixture();
const profileOf = (imageId: string): Profile => profileFixture({}, { output: { ...output, imageId } });
const UNITS = "/usr/lib/systemd/system";
const PATHS = {
  "/usr/lib/os-release": 'ID=debian\nPORTABLE_PREFIXES="old"\nVERSION_ID=13\n',
  "/etc/os-release": "-> ../usr/lib/os-release",
  "/usr/bin/node": "x",
  [`${UNITS}/node.service`]: "x",
};

describe("a portable service", () => {
  it("has units of its name, what is mounted over, and says so", () => {
    const source = treeFixture({
      ...PATHS,
      [`${UNITS}/node-exporter.socket`]: "x",
      [`${UNITS}/node@.timer`]: "x",
      [`${UNITS}/nodes.service`]: "x",
      [`${UNITS}/node.mount`]: "x",
      [`${UNITS}/node-masked.service`]: "-> /dev/null",
      "/etc/systemd/system/node.path": "x",
      "/tmp/": "",
    });
    const made = makePortableTree(source, profileOf("node_1.2"));
    expect(made.prefix).toBe("node");
    expect(made.units).toEqual(["node-exporter.socket", "node.path", "node.service", "node@.timer"]);
    const dump = dumpTree(made.tree);
    expect(dump).toMatchObject({
      "/dev": "directory 0755 0:0",
      "/etc/machine-id": expect.stringMatching(/^file 0644 0:0 0 /),
      "/etc/resolv.conf": expect.stringMatching(/^file 0644 0:0 0 /),
      "/var/tmp": "directory 1777 0:0",
    });
    // As the image has it.
    expect(dump["/tmp"]).toBe("directory 0755 0:0");
    const release = made.tree.get("/usr/lib/os-release");
    const text = release?.kind === "file" ? readContent(release.content).toString() : "";
    expect(text).toBe("ID=debian\nVERSION_ID=13\nPORTABLE_PREFIXES=node\n");
    expect(source.has("/var/tmp")).toBe(false);
  });

  it.each([
    ["units of its name", "other", PATHS, 'expected a unit "other.service", or one whose name begins with "other-"'],
    ["an os-release", "node", { [`${UNITS}/node.service`]: "x" }, 'expected "/usr/lib/os-release", got none'],
    [
      "an id",
      "node",
      { ...PATHS, "/usr/lib/os-release": "NAME=x\n" },
      'expected ID= in "/usr/lib/os-release", got none',
    ],
  ])("is refused without %s", (_, imageId, paths, expected) => {
    expect(() => makePortableTree(treeFixture(paths), profileOf(imageId))).toThrow(expected);
  });
});
