import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { bytesSource, openFileSource, sliceSource } from "@cvm-build/bytes";
import { decompressWhole, encodeAr, encodeTar, readAr, readTar } from "@cvm-build/fs-writer";
import { describe, expect, it } from "vitest";
import { requirePeers } from "../support/peers.ts";
import { temporaryFolder } from "./temporary-folder.ts";

const MAX_SIZE_BYTES = 1 << 26;
const CONTROL =
  "Package: sample\nVersion: 1\nArchitecture: all\nMaintainer: nobody <nobody@example.org>\nDescription: sample\n";

describe.skipIf(!requirePeers("dpkg-deb"))("dpkg-deb", () => {
  it.each(["xz", "zstd", "gzip", "none"])(
    "builds packages with %s that are read as it reads them",
    async (compression) => {
      using folder = temporaryFolder();
      const source = join(folder.path, "source");
      mkdirSync(join(source, "DEBIAN"), { recursive: true });
      mkdirSync(join(source, "usr/share/sample"), { recursive: true });
      writeFileSync(join(source, "DEBIAN/control"), CONTROL);
      writeFileSync(join(source, "usr/share/sample/text"), "All is well. ".repeat(100_000));
      const path = join(folder.path, "sample.deb");
      execFileSync("dpkg-deb", ["--root-owner-group", `-Z${compression}`, "--build", source, path], {
        stdio: "ignore",
      });

      using deb = openFileSource(path);
      const members = readAr(deb);
      expect(members.map(({ name }) => name.replace(/\.(xz|zst|gz)$/, ""))).toEqual([
        "debian-binary",
        "control.tar",
        "data.tar",
      ]);
      const data = members.at(-1);
      const payload = sliceSource(deb, data?.offsetBytes ?? 0, data?.sizeBytes ?? 0);
      const tar = await decompressWhole(payload, { maxSizeBytes: MAX_SIZE_BYTES });
      expect(tar.equals(execFileSync("dpkg-deb", ["--fsys-tarfile", path], { maxBuffer: MAX_SIZE_BYTES }))).toBe(true);
      const names: string[] = [];
      await readTar([tar], (entry) => names.push(entry.name));
      expect(names).toEqual(["./", "./usr/", "./usr/share/", "./usr/share/sample/", "./usr/share/sample/text"]);
    },
  );

  it("reads packages that were put together here", () => {
    using folder = temporaryFolder();
    const path = join(folder.path, "sample.deb");
    const control = encodeTar([
      { name: "./", type: "directory" },
      { name: "./control", bytes: Buffer.from(CONTROL) },
    ]);
    const data = encodeTar([
      { name: "./", type: "directory" },
      { name: "./hello", bytes: Buffer.from("hello") },
    ]);
    const version = { name: "debian-binary", bytes: Buffer.from("2.0\n") };
    writeFileSync(
      path,
      encodeAr([version, { name: "control.tar", bytes: control }, { name: "data.tar", bytes: data }]),
    );
    expect(execFileSync("dpkg-deb", ["--field", path, "Package"]).toString()).toBe("sample\n");
    execFileSync("dpkg-deb", ["--extract", path, join(folder.path, "root")]);
    expect(readFileSync(join(folder.path, "root/hello"), "utf8")).toBe("hello");
  });
});

describe.skipIf(!requirePeers("xz", "zstd", "gzip"))("compressors", () => {
  const plain = Buffer.from("All is well. ".repeat(200_000));

  it.each<[what: string, program: string, args: string[]]>([
    ["xz in blocks", "xz", ["-c", "-T2", "--block-size=65536"]],
    ["xz with a filter for machine code", "xz", ["-c", "--x86", "--lzma2"]],
    ["xz without checksums", "xz", ["-c", "--check=none"]],
    ["xz with SHA-256", "xz", ["-c", "--check=sha256"]],
    ["zstd with threads and checksum", "zstd", ["-c", "-T2", "--check"]],
    ["zstd of the longest window", "zstd", ["-c", "--long=27", "-19"]],
    ["zstd of unknown length", "zstd", ["-c", "--no-check"]],
    ["gzip with a name", "gzip", ["-c", "-9"]],
  ])("%s: one stream, and two in a row", async (_what, program, args) => {
    const bytes = execFileSync(program, args, { input: plain, maxBuffer: MAX_SIZE_BYTES });
    expect((await decompressWhole(bytesSource(bytes), { maxSizeBytes: MAX_SIZE_BYTES })).equals(plain)).toBe(true);
    const twice = bytesSource(Buffer.concat([bytes, bytes]));
    expect((await decompressWhole(twice, { maxSizeBytes: MAX_SIZE_BYTES })).length).toBe(2 * plain.length);
  });
});
