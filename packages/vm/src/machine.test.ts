import { describe, expect, it } from "vitest";
import { cpuModelFor, type Machine, qemuArguments } from "./machine.ts";

const machine: Machine = {
  firmware: { codePath: "/fw/a,b/CODE.fd", varsPath: "/fw/VARS.fd" },
  accelerator: "tcg",
  cpuModel: "max,-cx16",
  cpus: 2,
  memoryMiB: 1024,
  bootsFrom: { kind: "esp" },
  smbiosStrings: [],
  disks: [],
  network: { forwards: [{ hostPort: 18545, guestPort: 8545 }] },
  serial: "piped",
  onGuestExit: "freeze",
};

/** One option with its value a line. */
function lines(args: readonly string[]): string {
  return args.join(" ").replaceAll(" -", "\n-");
}

describe("qemuArguments", () => {
  it("describes a machine for evidence", () => {
    expect(lines(qemuArguments(machine))).toBe(
      `-nodefaults
-no-user-config
-machine q35,accel=tcg,smm=off,pflash0=code,pflash1=vars
-cpu max,-cx16
-smp 2
-m 1024M
-display none
-rtc base=utc
-blockdev {"driver":"file","node-name":"code","filename":"/fw/a,b/CODE.fd","read-only":true}
-blockdev {"driver":"file","node-name":"vars","filename":"vars.fd"}
-chardev socket,id=qmp,fd=3
-mon chardev=qmp,mode=control
-chardev socket,id=qtest,fd=4
-qtest chardev:qtest
-qtest-log none
-chardev socket,id=tpm,fd=5
-tpmdev emulator,id=tpm0,chardev=tpm
-device tpm-crb,tpmdev=tpm0
-blockdev {"driver":"vvfat","dir":"esp","fat-type":16,"label":"ESP","node-name":"esp","read-only":true}
-device virtio-blk-pci,drive=esp,bootindex=1
-netdev user,id=net0,hostfwd=tcp:127.0.0.1:18545-:8545
-device virtio-net-pci,netdev=net0,romfile=
-chardev stdio,id=serial,signal=off
-serial chardev:serial
-action reboot=shutdown,shutdown=pause,panic=pause`,
    );
  });

  it("describes a machine on the user's terminal, without a network card, with firmware in one file", () => {
    const args = lines(
      qemuArguments({
        ...machine,
        firmware: { codePath: "/fw/OVMF.fd" },
        accelerator: "kvm",
        cpuModel: "host",
        network: "none",
        serial: "terminal",
        onGuestExit: "as-asked",
      }),
    );
    expect(args).toContain("-machine q35,accel=kvm,smm=off\n");
    expect(args).toContain("-bios /fw/OVMF.fd\n");
    expect(args.endsWith("-serial mon:stdio")).toBe(true);
    expect(args).not.toMatch(/-netdev|virtio-net|-action|pflash/);
  });
});

describe("qemuArguments of a machine with Secure Boot and disks", () => {
  it("lets only system management mode write variables, and adds disks in their order", () => {
    const args = lines(
      qemuArguments({
        ...machine,
        firmware: { ...machine.firmware, smm: true },
        disks: [{ path: "/disks/a,b.raw", serial: "data" }],
      }),
    );
    expect(args).toContain(
      "-machine q35,accel=tcg,smm=on,pflash0=code,pflash1=vars\n" +
        "-global driver=cfi.pflash01,property=secure,value=on\n" +
        "-global ICH9-LPC.disable_s3=1\n",
    );
    expect(args).toContain(
      '-blockdev {"driver":"file","node-name":"disk0","filename":"/disks/a,b.raw"}\n' +
        '-device {"driver":"virtio-blk-pci","drive":"disk0","serial":"data"}\n',
    );
  });
});

describe("qemuArguments of other ways to boot", () => {
  const args = (bootsFrom: Machine["bootsFrom"], smbiosStrings: string[] = []) =>
    qemuArguments({ ...machine, bootsFrom, smbiosStrings });

  it("hands a kernel to firmware, with a command line and an initrd where there are any", () => {
    const kernel = { kind: "kernel", path: "/k" } as const;
    expect(lines(args(kernel))).toContain("-device tpm-crb,tpmdev=tpm0\n-kernel /k\n-netdev");
    const commandLine = "console=ttyS0 a,b";
    const all = args({ ...kernel, commandLine, initrdPath: "/i" });
    expect(all.slice(all.indexOf("-kernel")).slice(0, 6)).toEqual([
      ...["-kernel", "/k"],
      ...["-append", commandLine],
      ...["-initrd", "/i"],
    ]);
    expect(all.join(" ")).not.toContain("vvfat");
  });

  it.each([
    ["refused", '-blockdev {"driver":"file","filename":"/d,1.img","node-name":"esp","read-only":true}'],
    ["kept", '-blockdev {"driver":"file","filename":"/d,1.img","node-name":"esp","read-only":false}'],
    ["forgotten", "-drive if=none,id=esp,format=raw,snapshot=on,file=/d,,1.img"],
  ] as const)("boots a whole disk, with writes to it %s", (writes, drive) => {
    expect(lines(args({ kind: "disk", path: "/d,1.img", writes }))).toContain(
      `${drive}\n-device virtio-blk-pci,drive=esp,bootindex=1\n`,
    );
  });

  it("has strings of SMBIOS type 11, commas and all", () => {
    const all = args({ kind: "firmware" }, ["a=1,2", "b"]);
    expect(all.filter((_, index) => all[index - 1] === "-smbios")).toEqual(["type=11,value=a=1,,2", "type=11,value=b"]);
    expect(all.join(" ")).not.toMatch(/drive=esp|-kernel/);
  });
});

describe("cpuModelFor", () => {
  it.each([
    ["kvm", 7, "host"],
    ["tcg", 7, "max,-cx16"],
    ["tcg", 9, "max,-cx16"],
    ["tcg", 10, "max"],
  ] as const)("%s under QEMU %i: %s", (accelerator, major, model) => {
    expect(cpuModelFor(accelerator, major)).toBe(model);
  });
});
