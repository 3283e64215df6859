import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Figures, timed } from "./timed.ts";

const KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg";

/**
 * The command that `CVM_BENCH_MKOSI` names. mkosi is for who runs the benchmark to bring: mkosi 27 is in Debian forky (trixie has
 * 25) and is plain Python, so that any host's `python3` runs it with the tools of a trixie folder. As root:
 *
 *     mmdebstrap --variant=apt --include=systemd,systemd-ukify,systemd-boot-efi,udev,kmod,cpio,zstd trixie /tmp/mk/tools
 *     cd /tmp/mk/tools/etc/apt && sed 's/ trixie main/ forky main/;q' sources.list > sources.list.d/forky.list
 *     chroot /tmp/mk/tools sh -c 'apt-get update && cd /tmp && apt-get download mkosi/forky'
 *     dpkg-deb -x /tmp/mk/tools/tmp/mkosi_*.deb /tmp/mk/mkosi
 *     cat > /tmp/mk/mkosi-run <<'END'
 *     #!/bin/sh
 *     PYTHONPATH=/tmp/mk/mkosi/usr/lib/python3/dist-packages exec python3 -m mkosi --tools-tree=/tmp/mk/tools "$@"
 *     END
 *     chmod +x /tmp/mk/mkosi-run
 *     TMPDIR=/dev/shm CVM_BENCH_MKOSI=/tmp/mk/mkosi-run pnpm bench
 *
 * `TMPDIR` is a tmpfs, for all rows: on ext4 mkosi takes about twice as long, which would flatter us. Without udev in the folder
 * it leaves out the hardware database and builds 47 MB in place of 49.
 */
export function findMkosi(): string | undefined {
  return process.env["CVM_BENCH_MKOSI"] || undefined;
}

/** Builds the baseline with mkosi, from its own caches and offline: the first build fills them and is not counted. */
export function buildWithMkosi(mkosi: string, scratch: string): Figures {
  const project = join(scratch, "mkosi");
  const build = (...flags: string[]): Figures =>
    timed([mkosi, `--workspace-directory=${scratch}`, "--force", ...flags, "build"], { cwd: project });
  if (mkdirSync(project, { recursive: true }) !== undefined) {
    writeProject(project);
    build();
  }
  rmSync(join(project, "mkosi.output"), { recursive: true, force: true });
  return build("--cache-only=always");
}

/** Its folders have the names at which mkosi takes them up; without the two caches it would write to the host's. */
function writeProject(project: string): void {
  cpSync(join(import.meta.dirname, "mkosi/mkosi.conf"), join(project, "mkosi.conf"));
  for (const cache of ["mkosi.cache", "mkosi.pkgcache"]) mkdirSync(join(project, cache));
  const apt = join(project, "mkosi.sandbox/etc/apt/sources.list.d");
  mkdirSync(apt, { recursive: true });
  writeFileSync(join(apt, "mkosi.sources"), aptSources());
}

/**
 * The three archives that cvm-build reads, through the host's own mirror. Left to itself mkosi asks for Debian's debug symbols too,
 * which few mirrors have.
 */
function aptSources(): string {
  const { stdout } = spawnSync("apt-get", ["indextargets", "--format", "$(REPO_URI)", "Created-By: Packages"], {
    encoding: "utf8",
  });
  const mirrors = (stdout ?? "").split("\n").map((uri) => uri.replace(/\/$/, ""));
  const main = mirrors.find((uri) => uri.endsWith("/debian")) ?? "http://ftp.debian.org/debian";
  const security =
    mirrors.find((uri) => uri.endsWith("/debian-security")) ?? "http://security.debian.org/debian-security";
  const stanza = (uri: string, suites: string): string =>
    `Types: deb\nURIs: ${uri}\nSuites: ${suites}\nComponents: main\nSigned-By: ${KEYRING}\n`;
  return [stanza(main, "trixie trixie-updates"), stanza(security, "trixie-security")].join("\n");
}
