import { execFileSync, spawnSync } from "node:child_process";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { linkerCacheFinisher } from "../../packages/rootfs/src/linker-cache/linker-cache.ts";
import { readLinkerCache } from "../../packages/rootfs/src/linker-cache/reader.ts";
import { debianRoot } from "../support/trixie-root.ts";
import { bytesAt, forgetfulCache, linksIn, profileOf, readFolder, temporaryFolder } from "./folder-tree.ts";

const root = debianRoot("trixie", ["base-files", "libc-bin", "libsystemd-shared", "openssl", "libgcc-s1"]);
const LIBRARIES = "usr/lib/x86_64-linux-gnu";

/** What a real tree seldom has: several versions of a soname, hwcaps, links that lead nowhere, own directories. */
function complicate(folder: string): void {
  const at = (path: string): string => join(folder, LIBRARIES, path);
  rmSync(at("libssl.so.3"));
  copyFileSync(at("libcrypto.so.3"), at("libssl.so.3.9"));
  renameSync(at("libgcc_s.so.1"), at("libgcc_s.so.1.9"));
  copyFileSync(at("libgcc_s.so.1.9"), at("libgcc_s.so.1.10"));
  symlinkSync("libgone.so.7.1", at("libgone.so.7"));
  symlinkSync("libgcc_s.so.1.9", at("libgcc_s-alias.so"));
  for (const level of ["x86-64-v3", "x86-64-v2", "unused"]) mkdirSync(at(`glibc-hwcaps/${level}`), { recursive: true });
  copyFileSync(at("libm.so.6"), at("glibc-hwcaps/x86-64-v3/libm-fast.so"));
  copyFileSync(at("libm.so.6"), at("glibc-hwcaps/x86-64-v2/libm.so.6"));
  mkdirSync(join(folder, "opt/own"), { recursive: true });
  copyFileSync(at("libm.so.6"), join(folder, "opt/own/libm-own.so.1"));
  writeFileSync(join(folder, "opt/own/libtext.so"), "INPUT ( -lm ) GNU ld script".padEnd(100));
  writeFileSync(join(folder, "etc/ld.so.conf.d/zz-own.conf"), "/opt/own/\n/opt/own # twice\n/nowhere\n");
}

async function compare(
  folder: string,
  ldconfig: string,
  { generator }: { generator: "same" | "other" },
): Promise<void> {
  const tree = readFolder(folder, "/");
  await linkerCacheFinisher.finish(tree, { profile: profileOf({}), cache: forgetfulCache(folder) });
  const result = spawnSync(ldconfig, ["-r", folder], { encoding: "utf8" });
  expect(result.status, result.stderr).toBe(0);
  const theirs = readFileSync(join(folder, "etc/ld.so.cache"));
  const ours = bytesAt(tree, "/etc/ld.so.cache");
  const decoded = readLinkerCache(theirs);
  expect(readLinkerCache(ours)).toEqual(generator === "same" ? decoded : { ...decoded, generator: expect.any(String) });
  if (generator === "same") expect(ours.equals(theirs), "byte for byte").toBe(true);
  expect(linksIn(tree, `/${LIBRARIES}`)).toEqual(linksIn(readFolder(folder, `/${LIBRARIES}`), `/${LIBRARIES}`));
  writeFileSync(join(folder, "ours"), ours);
  const printed = execFileSync(ldconfig, ["-p", "-C", join(folder, "ours")], { encoding: "utf8" });
  expect(printed).toContain(`${decoded.libraries.length} libs found in cache`);
}

describe.skipIf(!root)("ld.so.cache beside ldconfig", () => {
  const trixie = join(root?.path ?? "", "usr/sbin/ldconfig");

  it("of trixie, on a plain tree", async () => {
    using folder = temporaryFolder();
    execFileSync("cp", ["-a", `${root!.path}/.`, folder.path]);
    await compare(folder.path, trixie, { generator: "same" });
  });

  it("of trixie, on a complicated tree", async () => {
    using folder = temporaryFolder();
    execFileSync("cp", ["-a", `${root!.path}/.`, folder.path]);
    complicate(folder.path);
    await compare(folder.path, trixie, { generator: "same" });
  });

  it.skipIf(!existsSync("/usr/sbin/ldconfig"))("of the host", async () => {
    using folder = temporaryFolder();
    execFileSync("cp", ["-a", `${root!.path}/.`, folder.path]);
    complicate(folder.path);
    await compare(folder.path, "/usr/sbin/ldconfig", { generator: "other" });
  });
});
