import { execFileSync } from "node:child_process";
import { linkSync, mkdirSync, readFileSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { FormatError, sha256Hex } from "@cvm-build/bytes";
import { encodeTar, readTar, type TarEntry } from "@cvm-build/fs-writer";
import { describe, expect, it } from "vitest";
import { requirePeers } from "../support/peers.ts";
import { temporaryFolder } from "./temporary-folder.ts";

const LONG = `${"Főtanúsítvány-".repeat(12)}.crt`;
const environment = { ...process.env, LC_ALL: "C.UTF-8", TZ: "UTC" };

const tar = (args: string[], cwd: string, input?: Buffer): Buffer =>
  execFileSync("tar", args, { cwd, env: environment, maxBuffer: 1 << 26, ...(input ? { input } : {}) });

async function entriesOf(bytes: Buffer): Promise<TarEntry[]> {
  const entries: TarEntry[] = [];
  await readTar([bytes], (entry) => entries.push(entry));
  return entries;
}

/** A line as `tar -tv --numeric-owner --full-time` has it, spaces squeezed. */
function listed(entry: TarEntry): string {
  const letter = { file: "-", link: "h", symlink: "l", char: "c", block: "b", directory: "d", fifo: "p" }[entry.type];
  const bits = "rwxrwxrwx".split("").map((bit, n) => ((entry.mode >> (8 - n)) & 1 ? bit : "-"));
  if (entry.mode & 0o4000) bits[2] = bits[2] === "x" ? "s" : "S";
  if (entry.mode & 0o1000) bits[8] = bits[8] === "x" ? "t" : "T";
  const isDevice = entry.type === "char" || entry.type === "block";
  const size = isDevice ? `${entry.devmajor},${entry.devminor}` : String(entry.sizeBytes);
  const time = new Date(entry.mtimeSec * 1000).toISOString().slice(0, 19).replace("T", " ");
  const target =
    entry.type === "link" ? ` link to ${entry.linkname}` : entry.type === "symlink" ? ` -> ${entry.linkname}` : "";
  return `${letter}${bits.join("")} ${entry.uid}/${entry.gid} ${size} ${time} ${entry.name}${target}`;
}

const listing = (bytes: Buffer, cwd: string): string[] =>
  tar(["-tv", "--numeric-owner", "--full-time", "--quoting-style=literal", "-f", "-"], cwd, bytes)
    .toString()
    .trimEnd()
    .split("\n")
    .map((line) => line.replace(/ +/g, " ").replace(/(:\d\d)\.\d+ /, "$1 "));

function makeFiles(folder: string, { longNames }: { longNames: boolean }): void {
  mkdirSync(join(folder, "usr/bin"), { recursive: true });
  writeFileSync(join(folder, "usr/bin/su"), "su".repeat(700), { mode: 0o755 });
  execFileSync("chmod", ["4755", join(folder, "usr/bin/su")]);
  linkSync(join(folder, "usr/bin/su"), join(folder, "usr/bin/link"));
  symlinkSync("usr/bin", join(folder, "bin"));
  execFileSync("mkfifo", ["-m", "600", join(folder, "fifo")]);
  writeFileSync(join(folder, "empty"), "");
  if (!longNames) return;
  mkdirSync(join(folder, LONG.slice(0, 120)));
  writeFileSync(join(folder, LONG.slice(0, 120), LONG), "long");
  symlinkSync(join(LONG, LONG), join(folder, "long-link"));
  linkSync(join(folder, LONG.slice(0, 120), LONG), join(folder, "zz-hard-link"));
}

describe.skipIf(!requirePeers("tar"))("GNU tar", () => {
  it.each(["v7", "oldgnu", "gnu", "ustar", "posix"])("writes %s that is read as it lists it", async (format) => {
    using folder = temporaryFolder();
    const source = join(folder.path, "source");
    makeFiles(source, { longNames: format.includes("gnu") || format === "posix" });
    // The oldest format has no fifos.
    const exclude = format === "v7" ? ["--exclude=./fifo"] : [];
    const owner = format === "posix" ? "4000000000" : "1000";
    const args = [
      "-c",
      `--format=${format}`,
      "--sort=name",
      `--owner=:${owner}`,
      "--group=:5",
      ...exclude,
      "-f",
      "-",
      ".",
    ];
    const bytes = tar(args, source);
    const entries = await entriesOf(bytes);
    expect(entries.map(listed)).toEqual(listing(bytes, folder.path));
    for (const entry of entries.filter(({ type }) => type === "file")) {
      const data = readFileSync(join(source, entry.name));
      expect(entry.sha256).toBe(sha256Hex(data));
      expect(bytes.subarray(entry.dataOffsetBytes, entry.dataOffsetBytes + entry.sizeBytes).equals(data)).toBe(true);
    }
  });

  it("keeps extended attributes where they are looked for", async () => {
    using folder = temporaryFolder();
    writeFileSync(join(folder.path, "ping"), "ping");
    const option = "--pax-option=SCHILY.xattr.security.capability:=AQA=,SCHILY.xattr.user.note:=hello";
    const [entry] = await entriesOf(tar(["-c", "--format=posix", option, "-f", "-", "ping"], folder.path));
    expect(entry?.xattrs).toEqual(
      new Map([
        ["security.capability", Buffer.from("AQA=")],
        ["user.note", Buffer.from("hello")],
      ]),
    );
  });

  it.each(["gnu", "posix"])("writes sparse files as %s, which are refused", async (format) => {
    using folder = temporaryFolder();
    writeFileSync(join(folder.path, "sparse"), "start");
    truncateSync(join(folder.path, "sparse"), 10 << 20);
    const bytes = tar(["-c", "-S", `--format=${format}`, "-f", "-", "sparse"], folder.path);
    await expect(entriesOf(bytes)).rejects.toThrow(FormatError);
  });

  it("lists what was written", async () => {
    using folder = temporaryFolder();
    const bytes = encodeTar([
      { name: "./", type: "directory", mtimeSec: 1_757_635_200 },
      { name: `./${LONG}`, bytes: Buffer.from("long"), uid: 4_000_000_000, mode: 0o4755 },
      { name: "./link", type: "link", linkname: `./${LONG}`, mode: 0o4755 },
      { name: "./symlink", type: "symlink", linkname: "usr/bin", mode: 0o777 },
      { name: "./null", type: "char", devmajor: 1, devminor: 3 },
      { name: "./vda", type: "block", devmajor: 254, devminor: 17 },
      { name: "./fifo", type: "fifo" },
    ]);
    expect(listing(bytes, folder.path)).toEqual((await entriesOf(bytes)).map(listed));
  });
});
