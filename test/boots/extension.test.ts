import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { BuildReport } from "@cvm-build/image";
import { collectEvidence } from "@cvm-build/vm";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { cvmBuildJson, REPOSITORY } from "../support/cli.ts";
import { findHere } from "../vm/here.ts";

const project = mkdtempSync(join(tmpdir(), "cvm-extension-"));
const here = await findHere(tmpdir());

/** What a boot says of an extension, and of the same with a byte changed. */
const CHECK = [
  // The kernel's own way to the console: no terminal is hung up, and nothing waits to be forwarded.
  'say() { echo "<4>merging: $*" >/dev/kmsg; }',
  "merge() { systemd-sysext merge >/run/merge.log 2>&1; }",
  "unmerge() { systemd-sysext unmerge >/dev/null 2>&1; }",
  'merge && say whole "$(jq --version)" "$(dmsetup ls | busybox grep -c verity)"',
  "unmerge; merge && say again; unmerge",
  // The first block of the file system, behind its superblock.
  "printf x | busybox dd of=/var/lib/extensions/tools.raw bs=1 seek=$((1048576 + 1200)) conv=notrunc 2>/dev/null",
  "merge && say damaged merged || say damaged refused",
].join("\n");

const FILES = {
  "profiles/tools/cvm.conf":
    "[Output]\nFormat=sysext\nImageId=tools\n[Content]\nPackages=jq\nWithDocs=no\n[Extension]\nBase=host\n[Disk]\nCompression=lz4\n",
  "profiles/host/cvm.conf": [
    "[Include]\nInclude=../minimal",
    "[Output]\nFormat=direct\nImageId=host",
    "[Content]\nPackages=libcryptsetup12 dmsetup\nKernelModules=dm-verity loop erofs overlay",
    "[Services]\nEnable=check.service\nMask=serial-shell.service getty-static.service\n",
  ].join("\n"),
  "profiles/host/cvm.extra/usr/lib/check": `${CHECK}\n`,
  "profiles/host/cvm.extra/usr/lib/systemd/system/check.service": [
    "[Unit]\nAfter=systemd-udevd.service",
    "[Service]\nType=oneshot",
    "ExecStart=/usr/bin/busybox sh /usr/lib/check\nExecStopPost=/usr/bin/busybox poweroff -f",
    "[Install]\nWantedBy=multi-user.target\n",
  ].join("\n"),
};

describe.skipIf(!here)("a system extension on a running system", () => {
  let extension: BuildReport;
  let host: BuildReport;
  const build = (name: string): Promise<BuildReport> =>
    cvmBuildJson(["build", "--profile", name, "--set", "OutputDirectory=out"], { cwd: project });

  beforeAll(async () => {
    cpSync(join(REPOSITORY, "profiles"), join(project, "profiles"), { recursive: true });
    for (const [name, text] of Object.entries(FILES)) {
      mkdirSync(dirname(join(project, name)), { recursive: true });
      writeFileSync(join(project, name), text);
    }
    await cvmBuildJson(["lock", "--profile", "host"], { cwd: project });
    extension = await build("tools");
    const extensions = join(project, "profiles/host/cvm.extra/var/lib/extensions");
    for (const { name } of extension.manifest.outputs) cpSync(join(extension.directory, name), join(extensions, name));
    host = await build("host");
  });

  afterAll(() => rmSync(project, { recursive: true, force: true }));

  it("is merged under dm-verity, and refused where a byte of it is another", async () => {
    const file = (suffix: string) => join(host.directory, `host${suffix}`);
    const { serial } = await collectEvidence({
      ...here!,
      imagePath: file(".vmlinuz"),
      path: { kind: "kernel", initrdPath: file(".initrd"), commandLine: readFileSync(file(".cmdline"), "utf8") },
      ...{ memoryMiB: 1024, cpus: 1, network: "none" },
      until: [{ kind: "power-off" }],
      timeoutSec: 240,
      temporaryDirectory: tmpdir(),
    });
    const said = serial.split(/\r?\n/).flatMap((line) => /merging: .*/.exec(line)?.[0] ?? []);
    expect(said).toEqual(["merging: whole jq-1.7 1", "merging: again", "merging: damaged refused"]);
  });
});
