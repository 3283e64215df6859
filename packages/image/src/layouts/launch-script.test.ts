import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { bootFileNames } from "../boot-file-names.ts";
import { formatLaunchScript, LAUNCH_WAYS, launchesOf } from "./launch-script.ts";

/** What a script runs, word for word. */
function wordsOf(script: string, args: string[] = []): string[] {
  const folder = mkdtempSync(join(tmpdir(), "cvm-launch-"));
  try {
    for (const [name, text] of [
      ["start.sh", script],
      ["firmware", ""],
      ["qemu", '#!/bin/sh\npwd\nprintf "%s\\n" "$@"\n'],
    ] as const) {
      writeFileSync(join(folder, name), text, { mode: 0o755 });
    }
    const firmware = join(folder, "firmware");
    const environment = { PATH: process.env["PATH"], QEMU: join(folder, "qemu"), OVMF: firmware, IGVM: firmware };
    const { stdout, stderr, status } = spawnSync("sh", [join(folder, "start.sh"), ...args], {
      env: environment,
      cwd: "/",
      encoding: "utf8",
    });
    expect([status, stderr]).toEqual([0, ""]);
    return stdout.replaceAll(folder, "HERE").trimEnd().split("\n");
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const commandLine = `console=ttyS0 a="b c" it's=$HOME \`id\``;
const image = { names: bootFileNames("node"), commandLine };

it("gives QEMU the command line as it is, in the image's folder, and further arguments", () => {
  expect(wordsOf(formatLaunchScript(LAUNCH_WAYS.plain, image), ["-device", "x,y=a b"])).toEqual([
    "HERE",
    ..."-nodefaults -no-user-config -display none -serial mon:stdio -no-reboot".split(" "),
    ..."-machine q35,accel=kvm:tcg -cpu max -bios HERE/firmware -smp 1 -m 2G".split(" "),
    ..."-kernel node.vmlinuz -initrd node.initrd -append".split(" "),
    commandLine,
    ...["-device", "x,y=a b"],
  ]);
});

it("has the options of each TEE", () => {
  const machine = (way: keyof typeof LAUNCH_WAYS) => {
    const words = wordsOf(formatLaunchScript(LAUNCH_WAYS[way], { ...image, commandLine: "" }));
    expect(words).not.toContain("-append");
    return words.slice(words.indexOf("-machine"), words.indexOf("-smp")).join(" ");
  };
  const ram = "memory-backend-memfd,id=ram0,size=2G,share=true,prealloc=false";
  const snp = "sev-snp-guest,id=cgs0,policy=0x30000,cbitpos=51,reduced-phys-bits=1";
  expect(machine("snp")).toBe(
    `-machine q35,accel=kvm,confidential-guest-support=cgs0,memory-backend=ram0,vmport=off -cpu EPYC-v4 -object ${ram} -object ${snp},kernel-hashes=on -bios HERE/firmware`,
  );
  expect(machine("snpSvsm")).toBe(
    `-machine q35,accel=kvm,confidential-guest-support=cgs0,memory-backend=ram0,igvm-cfg=igvm0 -cpu EPYC-v4 -object ${ram} -object ${snp} -object igvm-cfg,id=igvm0,file=HERE/firmware`,
  );
  expect(machine("tdx")).toBe(
    "-machine q35,accel=kvm,kernel-irqchip=split,confidential-guest-support=cgs0 -cpu host -object tdx-guest,id=cgs0 -bios HERE/firmware",
  );
});

it("shows what the scripts run", () => {
  const launches = launchesOf("node", "quiet");
  expect(launches.map(({ file }) => file)).toEqual([
    "node.qemu-plain.sh",
    "node.qemu-snp.sh",
    "node.qemu-snp-svsm.sh",
    "node.qemu-tdx.sh",
  ]);
  expect(launches[0]?.command).toMatch(/^qemu-system-x86_64 .* -initrd node\.initrd -append 'quiet'$/);
});
