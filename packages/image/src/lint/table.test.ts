import { describe, expect, it } from "vitest";
import type { Subject } from "./subject.ts";
import { diskProfile, platformOf, subjectOf } from "./subject.fixture.ts";
import { RULES } from "./table.ts";

const SYSTEMD = { "/usr/lib/systemd/systemd": "elf" };
const GENERATORS = "/usr/lib/systemd/system-generators";
const UNITS = "/usr/lib/systemd/system";
const WANTS = "/etc/systemd/system/multi-user.target.wants";
const LOCKED = { "/etc/passwd": "root:x:0:0:root:/root:/bin/sh\n", "/etc/shadow": "root:!*:1::::::\n" };
const WITH_PASSWORD = { ...LOCKED, "/etc/shadow": "root:$6$salt$hash:1::::::\n" };
const GETTY = {
  "/sbin/agetty": "elf",
  [`${UNITS}/serial-getty@.service`]: "[Service]\nExecStart=-/sbin/agetty --keep-baud - ${TERM}\n",
  "/etc/systemd/system/getty.target.wants/serial-getty@ttyS0.service": `-> ${UNITS}/serial-getty@.service`,
};
const EMERGENCY = {
  [`${UNITS}/emergency.service`]: "[Service]\nExecStart=-/usr/lib/systemd/systemd-sulogin-shell emergency\n",
  "/usr/sbin/sulogin": "elf",
};
const shell = (command: string, input = "tty-force") => ({
  "/usr/bin/busybox": "elf",
  "/bin/bash": "elf",
  [`${UNITS}/s.service`]: `[Service]\nExecStart=${command}\nStandardInput=${input}\n`,
  [`${WANTS}/s.service`]: `-> ${UNITS}/s.service`,
});
const started = (unit: string) => ({
  [`${UNITS}/${unit}`]: "[Service]\nExecStart=/bin/true\n",
  [`${WANTS}/${unit}`]: `-> ${UNITS}/${unit}`,
});
/** What `MergeExtensions=` leaves beside a unit. */
const mergingPolicy = (more: string) => ({
  [`${UNITS}/systemd-sysext.service.d/50-cvm.conf`]: `ExecStart=x --image-policy=root=signed+${more}absent:usr=signed+${more}absent\n`,
});
const MASKED = "-> /dev/null";
const cmdlines = (...texts: string[]) => texts.map((cmdline) => subjectOf({ cmdline }));
const trees = (...files: Record<string, string>[]) => files.map((each) => subjectOf({ files: each }));
const onCarrier = (carrier: "initrd" | "esp" | "partition", { loadIntoRam = false } = {}) =>
  subjectOf({
    profile: { ...diskProfile(), output: { format: "initoverlay" }, initOverlay: { carrier, loadIntoRam } },
  });
const on = (...platforms: Parameters<typeof platformOf>[]) =>
  platforms.map((each) => subjectOf({ cmdline: "quiet", platforms: [platformOf(...each)] }));
const open = (...registers: string[]) => ({
  unpredicted: registers.map((register) => ({ register, reason: "nobody knows" })),
});

/** Images of which each rule has something to say, and images that are much alike of which it has not. */
const CASES: Record<string, { fires: Subject[]; silent: Subject[] }> = {
  "kernel-unmeasured": {
    fires: on([{ boot: "kernel-bzimage" }, { unmeasured: [{ path: "kernel", reason: "the old handover" }] }]),
    silent: on([{ boot: "kernel-bzimage" }, {}]),
  },
  "launch-without-kernel": {
    fires: on(
      [{ tee: "sev-snp", tpm: false, boot: "kernel-uki" }],
      [{ tee: "sev-snp", tpm: false, snp: { kernelHashes: false } }],
      [{ tee: "sev-es", tpm: false }],
    ),
    silent: on(
      [{ tee: "sev-snp", tpm: false, snp: { kernelHashes: true } }],
      [{ tee: "sev-snp", tpm: false, snp: { igvm: "/x.igvm" } }],
      [{ tee: "sev-snp" }],
      [{ tee: "sev-snp", tpm: false, paravisor: true }],
      [{ tee: "tdx", tpm: false }],
      [{}],
    ),
  },
  "open-registers": {
    fires: on([{}, open("pcr12")], [{}, open("pcr13")], [{ tee: "tdx", tpm: false }, open("rtmr2")]),
    silent: on(
      [{}, open("pcr1", "pcr9")],
      [{ tee: "tdx" }, open("rtmr2")],
      [{ tee: "tdx", tpm: false }, open("rtmr0")],
    ),
  },
  "command-line-override": {
    fires: [
      ...on([{}], [{ boot: "kernel-uki" }], [{ tee: "tdx", tpm: false }], [{ tee: "sev-snp" }]),
      // With Secure Boot, too, where the image has none of its own.
      subjectOf({ platforms: [platformOf({}, { isSecureBootOn: true })] }),
    ],
    silent: [
      ...on(
        [{}, { isSecureBootOn: true }],
        [{ tee: "sev-snp", tpm: false, boot: "kernel-uki", snp: { kernelHashes: true } }],
        [{ boot: "kernel-bzimage" }],
      ),
      subjectOf({ platforms: [platformOf({ tee: "tdx" }, { isSecureBootOn: true })] }),
    ],
  },
  companions: {
    fires: on([{}], [{ boot: "esp" }, { isSecureBootOn: true }], [{ boot: "systemd-boot" }]),
    silent: on([{ boot: "kernel-uki" }], [{ boot: "kernel-bzimage" }]),
  },
  "boot-secret": {
    fires: [subjectOf({ stub: 261, platforms: [platformOf({}, open("pcr9"))] })],
    silent: [
      subjectOf({ stub: 260, platforms: [platformOf({}, open("pcr9"))] }),
      subjectOf({ stub: 262, platforms: [platformOf({ disk: { readOnly: true } }, open("pcr1"))] }),
    ],
  },
  "host-tpm": {
    fires: on(
      [{ tee: "tdx" }],
      [{ tee: "sev-snp", machine: { vmm: "ec2" } }],
      [{ tee: "tdx", machine: { vmm: "gce" } }],
    ),
    silent: on(
      [{}],
      [{ tee: "sev-snp" }],
      [{ tee: "tdx", tpm: false }],
      [{ tee: "tdx", paravisor: true, machine: { vmm: "azure" } }],
      [{ tee: "sev-snp", machine: { vmm: "ec2" }, snp: { igvm: "/x.igvm" } }],
    ),
  },
  "acpi-tables": {
    fires: on(
      [{ tee: "tdx", tpm: false }, open("rtmr0")],
      [{ tee: "tdx" }, open("pcr1")],
      [{ tee: "sev-snp", tpm: false }],
    ),
    silent: on(
      [{}, open("pcr1")],
      [{ tee: "tdx", tpm: false }, open("rtmr1")],
      [{ tee: "tdx", paravisor: true }, open("pcr1")],
    ),
  },
  "debug-parameters": {
    fires: [
      ...cmdlines(
        "systemd.debug_shell",
        "systemd.debug-shell=ttyS1",
        "rd.break=pre-mount",
        "init=/bin/sh",
        "quiet single",
      ),
      ...cmdlines(
        "rdinit=/usr/bin/bash",
        "systemd.unit=rescue.target",
        "kgdboc=ttyS0",
        "systemd.run=/bin/x",
        "rd.shell",
      ),
      ...cmdlines("systemd.setenv=SYSTEMD_SULOGIN_FORCE=1"),
      subjectOf({ cmdline: ["quiet", "quiet rd.break"] }),
    ],
    silent: cmdlines(
      "",
      "systemd.debug_shell=no rd.shell=0",
      "init=/usr/lib/systemd/systemd",
      "systemd.unit=multi-user.target",
      "console=ttyS0 systemd.log_level=debug",
      'dyndbg="file single +p"',
    ),
  },
  "root-filesystem": {
    fires: cmdlines(
      ...["root=LABEL=x", "root=/dev/vda2 ro", "root=PARTUUID=1 systemd.verity=no", "root=gpt-auto"],
      // As pmem has it with Verity=none.
      "root=/dev/pmem0 rootfstype=erofs ro",
      // What is opened with the hash is /dev/mapper/root, and not what is mounted.
      ...["root=LABEL=x roothash=00", "root=gpt-auto usrhash=00", "root=gpt-auto roothash=00 systemd.verity=no"],
      ...["root=tmpfs mount.usr=/dev/vda2", "root=/dev/mapper/root roothash=00 root=/dev/vda2"],
    ),
    silent: cmdlines(
      ...["", "root=tmpfs", "root=/dev/mapper/root", "root=gpt-auto roothash=00", "root=dissect roothash=00"],
      "root=tmpfs mount.usr=/dev/mapper/usr usrhash=00",
    ),
  },
  "verity-options": {
    fires: cmdlines(
      "roothash=00 systemd.verity_root_options=ignore-corruption",
      "systemd.verity_usr_options=panic-on-corruption,check-at-most-once",
    ),
    silent: cmdlines("roothash=00 systemd.verity_root_options=panic-on-corruption", "quiet"),
  },
  "unreadable-blocks": {
    fires: [...cmdlines("roothash=00", "root=tmpfs usrhash=00"), onCarrier("esp"), onCarrier("partition")],
    silent: [...cmdlines("root=/dev/mapper/luks"), onCarrier("initrd"), onCarrier("esp", { loadIntoRam: true })],
  },
  "kernel-lockdown": {
    fires: [
      ...cmdlines("", "lockdown=none", "module.sig_enforce=1"),
      subjectOf({ cmdline: ["lockdown=integrity", "x"] }),
    ],
    silent: cmdlines("lockdown=integrity", "lockdown=confidentiality quiet"),
  },
  "uki-profiles": { fires: [subjectOf({ cmdline: ["a", "b"] })], silent: cmdlines("a") },
  credentials: {
    fires: [
      subjectOf({ cmdline: "quiet", files: SYSTEMD }),
      subjectOf({ cmdline: "systemd.import_credentials=yes", files: SYSTEMD }),
      subjectOf({ cmdline: "systemd.import_credentials=no systemd.import_credentials", files: SYSTEMD }),
    ],
    silent: [
      subjectOf({ cmdline: "quiet", files: { "/init": "#!/bin/sh\n" } }),
      subjectOf({ cmdline: "systemd.import_credentials=no", files: SYSTEMD }),
      subjectOf({ cmdline: "systemd.import-credentials=0", files: SYSTEMD }),
    ],
  },
  "gpt-auto-root": {
    fires: trees({ [`${GENERATORS}/systemd-gpt-auto-generator`]: "elf", "/etc/initrd-release": "" }),
    silent: [
      ...trees({ [`${GENERATORS}/systemd-gpt-auto-generator`]: "elf" }, { "/etc/initrd-release": "" }),
      subjectOf({
        cmdline: "systemd.gpt_auto=0",
        files: { [`${GENERATORS}/systemd-gpt-auto-generator`]: "elf", "/etc/initrd-release": "" },
      }),
    ],
  },
  "gpt-auto": {
    fires: trees({ [`${GENERATORS}/systemd-gpt-auto-generator`]: "elf" }),
    silent: [
      ...trees(
        SYSTEMD,
        { [`${GENERATORS}/systemd-gpt-auto-generator`]: "elf", "/etc/initrd-release": "" },
        {
          [`${GENERATORS}/systemd-gpt-auto-generator`]: "elf",
          "/etc/systemd/system-generators/systemd-gpt-auto-generator": MASKED,
        },
      ),
      subjectOf({ cmdline: "systemd.gpt_auto=no", files: { [`${GENERATORS}/systemd-gpt-auto-generator`]: "elf" } }),
    ],
  },
  generators: {
    fires: trees(
      { [`${GENERATORS}/systemd-debug-generator`]: "elf" },
      { [`${GENERATORS}/systemd-run-generator`]: "elf" },
      { [`${GENERATORS}/systemd-import-generator`]: "elf" },
    ),
    silent: trees(
      { [`${GENERATORS}/systemd-tpm2-generator`]: "elf" },
      {
        [`${GENERATORS}/systemd-run-generator`]: "elf",
        "/etc/systemd/system-generators/systemd-run-generator": MASKED,
      },
    ),
  },
  "ssh-vsock": {
    fires: trees({ [`${GENERATORS}/systemd-ssh-generator`]: "elf", "/usr/sbin/sshd": "elf" }),
    silent: [
      ...trees({ [`${GENERATORS}/systemd-ssh-generator`]: "elf" }, { "/usr/sbin/sshd": "elf" }),
      subjectOf({
        cmdline: "systemd.ssh_auto=no",
        files: { [`${GENERATORS}/systemd-ssh-generator`]: "elf", "/usr/sbin/sshd": "elf" },
      }),
    ],
  },
  extensions: {
    fires: trees(
      { ...started("systemd-sysext.service"), "/etc/initrd-release": "" },
      { ...started("systemd-confext-initrd.service"), "/etc/initrd-release": "" },
      { ...started("systemd-sysext.service"), ...mergingPolicy("verity+unprotected+") },
    ),
    silent: trees(
      started("systemd-sysext.service"),
      { ...started("systemd-sysext.service"), ...mergingPolicy("") },
      { [`${UNITS}/systemd-sysext.service`]: "[Service]\n", "/etc/initrd-release": "" },
      {
        ...started("systemd-sysext.service"),
        "/etc/systemd/system/systemd-sysext.service": MASKED,
        "/etc/initrd-release": "",
      },
    ),
  },
  "no-phases": {
    fires: trees(SYSTEMD),
    silent: [
      ...trees({ "/init": "elf" }),
      subjectOf({ files: SYSTEMD, platforms: [platformOf({ tee: "tdx", tpm: false })] }),
      subjectOf({
        files: {
          ...SYSTEMD,
          "/usr/lib/systemd/systemd-pcrextend": "elf",
          ...Object.fromEntries(
            ["esys.so.0", "mu.so.0", "rc.so.0", "tcti-device.so.0"].map((name) => [`/usr/lib/libtss2-${name}`, "elf"]),
          ),
          [`${UNITS}/systemd-pcrphase.service`]: "[Service]\n",
          [`${UNITS}/sysinit.target.wants/systemd-pcrphase.service`]: "-> ../systemd-pcrphase.service",
        },
      }),
    ],
  },
  "root-shell": {
    fires: trees(shell("/usr/bin/busybox sh -l"), shell("-/bin/bash", "tty"), {
      ...shell("/bin/x"),
      [`${UNITS}/s.service.d/a.conf`]: "[Service]\nExecStart=\nExecStart=/bin/bash -i\n",
    }),
    silent: trees(
      shell("/bin/bash /usr/lib/script"),
      shell("/usr/bin/busybox sh -c true"),
      shell("/bin/bash", "null"),
      shell("/bin/zsh"),
      { ...shell("/bin/bash"), "/etc/systemd/system/s.service": MASKED },
    ),
  },
  autologin: {
    fires: trees({
      ...GETTY,
      "/etc/systemd/system/serial-getty@.service.d/autologin.conf":
        "[Service]\nExecStart=\nExecStart=-/sbin/agetty --autologin root --keep-baud - ${TERM}\n",
    }),
    silent: trees(GETTY),
  },
  "empty-password": {
    fires: trees(
      { ...LOCKED, "/etc/shadow": "root::1::::::\n", "/bin/login": "elf" },
      { "/etc/passwd": "root::0:0::/root:/bin/sh\n", "/usr/sbin/sulogin": "elf" },
    ),
    silent: trees(
      { ...LOCKED, "/bin/login": "elf" },
      { ...LOCKED, "/etc/shadow": "root::1::::::\n" },
      { "/etc/passwd": "daemon::1:1::/:/usr/sbin/nologin\n", "/bin/login": "elf" },
    ),
  },
  "console-login": {
    fires: trees(
      { ...WITH_PASSWORD, ...GETTY },
      {
        ...WITH_PASSWORD,
        "/sbin/agetty": "elf",
        [`${UNITS}/serial-getty@.service`]: "[Service]\nExecStart=-/sbin/agetty - ${TERM}\n",
        [`${GENERATORS}/systemd-getty-generator`]: "elf",
      },
    ),
    silent: trees(
      { ...LOCKED, ...GETTY },
      WITH_PASSWORD,
      { ...WITH_PASSWORD, ...GETTY, "/etc/systemd/system/serial-getty@ttyS0.service": MASKED },
      { ...WITH_PASSWORD, [`${UNITS}/serial-getty@.service`]: "[Service]\nExecStart=-/sbin/agetty - ${TERM}\n" },
    ),
  },
  "emergency-shell": {
    fires: [
      ...trees(
        { ...WITH_PASSWORD, ...EMERGENCY },
        {
          ...LOCKED,
          ...EMERGENCY,
          [`${UNITS}/emergency.service.d/a.conf`]: "[Service]\nEnvironment=SYSTEMD_SULOGIN_FORCE=1\n",
        },
        { "/bin/sh": "elf", [`${UNITS}/rescue.service`]: "[Service]\nExecStart=/bin/sh\nStandardInput=tty-force\n" },
      ),
      subjectOf({ cmdline: "rd.shell=1", files: { "/usr/bin/dracut-emergency": "#!" } }),
      subjectOf({ cmdline: "quiet", files: { "/scripts/functions": "#!/bin/sh\npanic()\n{\n" } }),
    ],
    silent: [
      ...trees(
        { ...LOCKED, ...EMERGENCY },
        { ...WITH_PASSWORD, ...EMERGENCY, "/etc/systemd/system/emergency.service": MASKED },
        { ...WITH_PASSWORD, [`${UNITS}/emergency.service`]: "[Service]\nExecStart=/usr/bin/busybox sleep 10\n" },
      ),
      subjectOf({ cmdline: "rd.shell=0", files: { "/usr/bin/dracut-emergency": "#!" } }),
      subjectOf({ cmdline: "panic=10", files: { "/scripts/functions": "#!/bin/sh\npanic()\n{\n" } }),
    ],
  },
  "guest-agent": {
    fires: trees({ "/usr/sbin/qemu-ga": "elf" }, { "/usr/bin/cloud-init": "#!" }),
    silent: trees({ "/usr/sbin/sshd": "elf" }),
  },
  "share-mounts": {
    fires: [
      ...trees(
        { "/etc/fstab": "# comment\nhost /mnt 9p trans=virtio 0 0\n" },
        { [`${UNITS}/mnt.mount`]: "[Mount]\nWhat=host\nWhere=/mnt\nType=virtiofs\n" },
      ),
      subjectOf({ cmdline: "rootfstype=virtiofs root=myfs", files: {} }),
    ],
    silent: [
      ...trees(
        { "/etc/fstab": "#host /mnt 9p\n/dev/vda /9p ext4 defaults 0 0\n" },
        { [`${UNITS}/tmp.mount`]: "[Mount]\nType=tmpfs\n" },
      ),
      subjectOf({ cmdline: "rootfstype=ext4", files: {} }),
    ],
  },
  "share-modules": {
    fires: trees(
      { "/usr/lib/modules/6.12/kernel/fs/9p/9p.ko.xz": "" },
      { "/usr/lib/modules/6/kernel/fs/fuse/virtiofs.ko": "" },
    ),
    silent: trees({ "/usr/lib/modules/6.12/kernel/fs/ext4/ext4.ko.xz": "" }),
  },
  "network-time": {
    fires: trees(started("systemd-timesyncd.service"), started("chrony.service")),
    silent: trees({ [`${UNITS}/systemd-timesyncd.service`]: "[Service]\n" }, started("a.service")),
  },
  "disk-header": {
    fires: trees({ "/etc/crypttab": "data /dev/vdb - tpm2-device=auto\n" }),
    silent: trees(
      { "/etc/crypttab": "# <target> <source>\n" },
      {
        "/etc/crypttab": "data /dev/vdb - tpm2-device=auto,header=/etc/data.header\nswap /dev/vdc /dev/urandom plain\n",
      },
    ),
  },
  "disk-key-without-secure-boot": {
    fires: [subjectOf({ profile: diskProfile({}, { signExpectedPcr: true }), platforms: [platformOf()] })],
    silent: [
      subjectOf({ profile: diskProfile(), platforms: [platformOf()] }),
      subjectOf({ profile: diskProfile({ key: "runtime" }, { signExpectedPcr: true }), platforms: [platformOf()] }),
      subjectOf({
        profile: diskProfile({}, { signExpectedPcr: true }),
        platforms: [platformOf({}, { isSecureBootOn: true })],
      }),
    ],
  },
  "disk-without-policy": {
    fires: [subjectOf({ profile: diskProfile() })],
    silent: [
      subjectOf({ profile: diskProfile({}, { signExpectedPcr: true }) }),
      subjectOf({ profile: diskProfile({ key: "runtime" }) }),
    ],
  },
  "disk-integrity": {
    fires: [subjectOf({ profile: diskProfile() })],
    silent: [subjectOf({ profile: diskProfile({ integrity: true }) })],
  },
};

it("has cases for every rule and for nothing else", () => {
  expect(Object.keys(CASES).sort()).toEqual(RULES.map(({ id }) => id).sort());
  expect(Object.values(CASES).every(({ fires, silent }) => fires.length > 0 && silent.length > 0)).toBe(true);
});

describe.each(RULES)("$id", ({ id, needs, find }) => {
  const { fires, silent } = CASES[id]!;

  it.each(fires.map((subject, index) => [index, subject] as const))("fires, case %i", (_, subject) => {
    expect(needs.filter((need) => subject[need] === undefined)).toEqual([]);
    expect(find(subject)).not.toEqual([]);
  });

  it.each(silent.map((subject, index) => [index, subject] as const))("is silent, case %i", (_, subject) => {
    expect(needs.filter((need) => subject[need] === undefined)).toEqual([]);
    expect(find(subject)).toEqual([]);
  });
});
