import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { zstdCompressSync } from "node:zlib";
import { FormatError, sha256Hex } from "@cvm-build/bytes";
import { encodeAr, encodeTar } from "@cvm-build/fs-writer";
import * as fc from "fast-check";
import { afterAll, describe, expect, it } from "vitest";
import { makeDeb } from "../deb.fixture.ts";
import { parseControl, relationNames } from "./control.ts";
import { type DecodedArchive, decodeDeb, decodeTarFile } from "./decode-archive.ts";

const folder = mkdtempSync(join(tmpdir(), "cvm-build-decode-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const tarPath = join(folder, "out.tar");

function decode(bytes: Uint8Array): Promise<DecodedArchive> {
  const path = join(folder, "in.deb");
  writeFileSync(path, bytes);
  return decodeDeb(path, { tarPath, sha256: sha256Hex(bytes) });
}

const SAMPLE = makeDeb({
  name: "a",
  version: "1:2-3",
  control: "Replaces: x (<< 1),\n y | z:any\n",
  files: { "/usr/": "", "/usr/x": "text" },
  entries: [
    { name: "./usr/y", type: "link", linkname: "./usr/x" },
    { name: "./usr/z", type: "symlink", linkname: "/usr/x", mtimeSec: 7 },
    { name: "./usr/p", type: "fifo", xattrs: new Map([["user.a", Buffer.from([0, 255])]]) },
  ],
  scripts: { postinst: "#!/bin/sh\necho \xe9\n", conffiles: "/etc/a\n/etc/b\n", triggers: "interest x\n" },
});

describe("decodeDeb", () => {
  it("writes the data archive and describes it", async () => {
    const { index, sizeBytes, sha256 } = await decode(SAMPLE);
    const tar = readFileSync(tarPath);
    expect([sizeBytes, sha256]).toEqual([tar.length, sha256Hex(tar)]);
    expect(index).toMatchObject({
      name: "a",
      version: "1:2-3",
      architecture: "amd64",
      replaces: ["x", "y", "z"],
      conffiles: ["/etc/a", "/etc/b"],
      triggers: "interest x\n",
    });
    expect(Object.keys(index.scripts)).toEqual(["postinst"]);
    const common = { mode: 0o644, uid: 0, gid: 0, mtimeSec: 0 };
    const file = index.entries[1]!;
    expect(index.entries).toEqual([
      { ...common, path: "/usr", kind: "directory", mode: 0o755 },
      {
        ...common,
        path: "/usr/x",
        kind: "file",
        sizeBytes: 4,
        offsetBytes: file.offsetBytes,
        sha256: sha256Hex("text"),
      },
      { ...common, path: "/usr/y", kind: "hardlink", target: "/usr/x" },
      { ...common, path: "/usr/z", kind: "symlink", target: "/usr/x", mtimeSec: 7 },
      { ...common, path: "/usr/p", kind: "fifo", xattrs: { "user.a": "AP8=" } },
    ]);
    expect(tar.toString("latin1", file.offsetBytes, file.offsetBytes! + 4)).toBe("text");
  });

  it("reads zstd and uncompressed members", async () => {
    const control = encodeTar([
      { name: "./control", bytes: Buffer.from("Package: z\nVersion: 1\nArchitecture: all\n") },
    ]);
    const data = encodeTar([{ name: "./f", bytes: Buffer.from("1") }]);
    const deb = encodeAr([
      { name: "debian-binary", bytes: Buffer.from("2.0\n") },
      { name: "control.tar", bytes: control },
      { name: "data.tar.zst", bytes: zstdCompressSync(data) },
    ]);
    expect((await decode(deb)).index.entries).toMatchObject([{ path: "/f", sizeBytes: 1 }]);
  });

  it.each([
    ["no version", [{ name: "control.tar", bytes: Buffer.alloc(0) }]],
    ["another format", [{ name: "debian-binary", bytes: Buffer.from("3.0\n") }]],
    [
      "bzip2",
      [
        { name: "debian-binary", bytes: Buffer.from("2.0\n") },
        { name: "control.tar.bz2", bytes: Buffer.alloc(9) },
      ],
    ],
    [
      "no data",
      [
        { name: "debian-binary", bytes: Buffer.from("2.0\n") },
        { name: "control.tar", bytes: encodeTar([]) },
      ],
    ],
  ])("refuses a package with %s", async (_, members) => {
    await expect(decode(encodeAr(members))).rejects.toThrow(FormatError);
  });

  it("refuses every shortened package", async () => {
    const lengths = [0, 4, 8, 60, 68, 72, 130, 200, 300, SAMPLE.length - 80, SAMPLE.length - 8];
    for (const length of lengths)
      await expect(decode(SAMPLE.subarray(0, length)), String(length)).rejects.toThrow(FormatError);
  });

  it("gives a package or a FormatError for any change of a byte", async () => {
    const change = fc.tuple(fc.nat(SAMPLE.length - 1), fc.nat(255));
    await fc.assert(
      fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 4 }), async (changes) => {
        const bytes = Buffer.from(SAMPLE);
        for (const [at, value] of changes) bytes[at] = value;
        await decode(bytes).catch((error: unknown) => {
          if (!(error instanceof FormatError)) throw error;
        });
      }),
      { seed: 3, numRuns: 300 },
    );
  });
});

describe("decodeTarFile", () => {
  it("describes an archive that is no package", async () => {
    const bytes = encodeTar([{ name: "a/b", bytes: Buffer.from("1") }]);
    const path = join(folder, "x.tar");
    writeFileSync(path, bytes);
    const { index } = await decodeTarFile(path, { tarPath, sha256: sha256Hex(bytes), name: "x" });
    expect(index).toMatchObject({ name: "x", scripts: {}, entries: [{ path: "/a/b" }] });
    await expect(decodeTarFile(path, { tarPath, sha256: sha256Hex("y"), name: "x" })).rejects.toThrow(
      "expected SHA-256",
    );
  });
});

describe("control", () => {
  it("joins continuation lines and knows fields by any case", () => {
    expect([...parseControl("Package: a\nDescription: b\n c\n .\n\n")]).toEqual([
      ["package", "a"],
      ["description", "b\nc\n."],
    ]);
    expect(() => parseControl("nonsense\n")).toThrow("expected a field on line 1");
    expect(() => parseControl(" continued\n")).toThrow(FormatError);
  });

  it("reads names out of relations", () => {
    expect(relationNames("a (>= 1) [amd64], b | c:any,\n d")).toEqual(["a", "b", "c", "d"]);
    expect(relationNames(undefined)).toEqual([]);
  });
});
