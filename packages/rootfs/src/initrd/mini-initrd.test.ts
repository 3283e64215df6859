import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { contentOf, dumpTree, FileTree, readContent } from "@cvm-build/fs-writer";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { CacheFixture } from "../cache.fixture.ts";
import { makeDeb, writeDeb, writePackage } from "../deb.fixture.ts";
import { makeLibrary, makeModule } from "../elf/elf.fixture.ts";
import { profileFixture } from "../profile.fixture.ts";
import { assembleMiniInitrd, type MiniInitrdInput } from "./mini-initrd.ts";
import type { Initrd } from "./package-source.ts";

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "cvm-build-mini-initrd-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const KERNEL = "/usr/lib/modules/6.1";
const EROFS = makeModule({ modinfo: ["depends=crc"], needs: ["crc"] });

async function makeInitrd({ without, isCarried = false }: { without?: string; isCarried?: boolean }): Promise<Initrd> {
  const directory = mkdtempSync(join(folder, "debs-"));
  const kernel = makeDeb({
    name: "linux",
    entries: [
      { name: `.${KERNEL}/kernel/erofs.ko.gz`, bytes: gzipSync(EROFS) },
      { name: `.${KERNEL}/kernel/crc.ko`, bytes: makeModule({ exports: ["crc"] }) },
    ],
  });
  const dmsetup = makeDeb({
    name: "dmsetup",
    entries: [
      { name: "./usr/sbin/dmsetup", mode: 0o755, bytes: makeLibrary({ needed: ["libdm.so"] }) },
      { name: "./usr/lib/udev/rules.d/55-dm.rules", bytes: Buffer.from("x") },
    ],
  });
  const library = makeDeb({ name: "libdm", entries: [{ name: "./usr/lib/libdm.so", bytes: makeLibrary({}) }] });
  const packages = [
    writeDeb(directory, { name: "busybox", files: { "/usr/bin/busybox": "x" } }),
    writePackage(directory, { name: "dmsetup", bytes: dmsetup }),
    writePackage(directory, { name: "libdm", bytes: library }),
    writePackage(directory, { name: "linux", bytes: kernel }),
  ].filter(({ locked }) => locked.name !== without);
  const verity = { formatVersion: 1, algorithm: "sha256", rootHash: "ab", salt: "", dataBlocks: 1 } as const;
  const carried = { data: contentOf("erofs"), hashes: contentOf("tree") };
  const input: MiniInitrdInput = {
    profile: profileFixture(),
    packages,
    artifacts: [],
    names: ["busybox", "dmsetup"],
    root: new FileTree({ mode: 0o755, uid: 0, gid: 0, mtimeSec: 0, origin: { kind: "finisher", name: "test" } }),
    init: {
      carrier: { kind: "initrd" },
      verity: { ...verity, hashStartBlock: 1, hashSizeBytes: 4096 },
      loadIntoRam: false,
      onCorruption: "panic",
      init: "/sbin/init",
      timeoutSec: 30,
    },
    ...(isCarried && { carried }),
  };
  return assembleMiniInitrd(input, { cache: new CacheFixture(folder), workers: 1 });
}

describe("a mini-initrd", () => {
  it("holds a program, what it runs, and modules in the order of loading", async () => {
    const { tree } = await makeInitrd({});
    const dump = dumpTree(tree);
    expect(dump).toMatchObject({
      "/bin": "symlink usr/bin",
      "/init": expect.stringMatching(/^file 0755 0:0 /),
      "/usr/bin/sh": "symlink busybox",
      "/usr/lib/libdm.so": expect.stringMatching(/^file/),
    });
    expect(Object.keys(dump).filter((path) => /udev|initrd-release|\.gz$|modules\./.test(path))).toEqual([]);
    const init = tree.get("/init");
    const program = init?.kind === "file" ? readContent(init.content).toString() : "";
    expect(program).toContain(`modules='${KERNEL}/kernel/crc.ko ${KERNEL}/kernel/erofs.ko'\n`);
    const module = tree.get(`${KERNEL}/kernel/erofs.ko`);
    expect(module?.kind === "file" && readContent(module.content).equals(EROFS)).toBe(true);
  });

  it("carries the image where it is to", async () => {
    const { tree } = await makeInitrd({ isCarried: true });
    expect(dumpTree(tree)).toMatchObject({
      "/cvm/root.erofs": expect.stringMatching(/^file 0644 0:0 5 /),
      "/cvm/root.verity": expect.stringMatching(/^file 0644 0:0 4 /),
    });
  });

  it.each([
    ["busybox", "/usr/bin/busybox"],
    ["dmsetup", "/usr/sbin/dmsetup"],
  ])("is refused without %s", async (name, path) => {
    const message = `cannot make the initrd: expected "${path}" of package "${name}", got no such file`;
    await expect(makeInitrd({ without: name })).rejects.toThrow(message);
  });
});
