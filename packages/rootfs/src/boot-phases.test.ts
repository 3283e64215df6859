import { describe, expect, it } from "vitest";
import { bootPhases, registerUse } from "./boot-phases.ts";
import { treeFixture } from "./tree.fixture.ts";

const UNITS = "/usr/lib/systemd/system";
const LIBRARIES = "/usr/lib/x86_64-linux-gnu";
const SYSTEMD = {
  "/usr/lib/systemd/systemd-pcrextend": "",
  [`${UNITS}/systemd-pcrphase-initrd.service`]: "x",
  [`${UNITS}/initrd.target.wants/systemd-pcrphase-initrd.service`]: "-> ../systemd-pcrphase-initrd.service",
  [`${UNITS}/systemd-pcrphase-sysinit.service`]: "x",
  [`${UNITS}/sysinit.target.wants/systemd-pcrphase-sysinit.service`]: "-> ../systemd-pcrphase-sysinit.service",
  [`${UNITS}/systemd-pcrphase.service`]: "x",
  [`${UNITS}/sysinit.target.wants/systemd-pcrphase.service`]: "-> ../systemd-pcrphase.service",
};
const TSS = {
  [`${LIBRARIES}/libtss2-esys.so.0`]: "",
  [`${LIBRARIES}/libtss2-mu.so.0`]: "",
  [`${LIBRARIES}/libtss2-rc.so.0`]: "",
  [`${LIBRARIES}/libtss2-tcti-device.so.0`]: "",
};
const { [`${LIBRARIES}/libtss2-rc.so.0`]: _, ...WITHOUT_RC } = TSS;
const MODULES = "/usr/lib/modules/6.12";

describe("bootPhases", () => {
  it.each<[string, Record<string, string>, string[]]>([
    ["an image that lives in its initrd", { ...SYSTEMD, ...TSS }, ["sysinit", "ready"]],
    ["an initrd that something follows", { ...SYSTEMD, ...TSS, "/etc/initrd-release": "" }, ["enter-initrd"]],
    ["no TPM libraries", SYSTEMD, []],
    ["one TPM library missing", { ...SYSTEMD, ...WITHOUT_RC }, []],
    ["no systemd", TSS, []],
    [
      "a masked unit",
      { ...SYSTEMD, ...TSS, "/etc/systemd/system/systemd-pcrphase.service": "-> /dev/null" },
      ["sysinit"],
    ],
    [
      "a unit that nobody wants",
      { ...SYSTEMD, ...TSS, [`${UNITS}/sysinit.target.wants/systemd-pcrphase-sysinit.service`]: "-> /dev/null" },
      ["ready"],
    ],
    [
      "a TPM driver built in",
      {
        ...SYSTEMD,
        ...TSS,
        [`${MODULES}/modules.builtin`]: "kernel/drivers/char/tpm/tpm_crb.ko\nkernel/fs/efivarfs/efivarfs.ko\n",
      },
      ["sysinit", "ready"],
    ],
    [
      "a TPM driver as a module",
      {
        ...SYSTEMD,
        ...TSS,
        [`${MODULES}/modules.builtin`]: "",
        [`${MODULES}/kernel/fs/efivarfs/efivarfs.ko`]: "",
        [`${MODULES}/kernel/drivers/char/tpm/tpm_tis.ko.xz`]: "",
      },
      ["sysinit", "ready"],
    ],
    [
      "no EFI variables",
      { ...SYSTEMD, ...TSS, [`${MODULES}/modules.builtin`]: "kernel/drivers/char/tpm/tpm_crb.ko\n" },
      [],
    ],
    ["no TPM driver", { ...SYSTEMD, ...TSS, [`${MODULES}/modules.builtin`]: "kernel/drivers/char/tpm/tpm.ko\n" }, []],
  ])("%s", (__, files, phases) => {
    expect(bootPhases(treeFixture(files))).toEqual(phases);
  });
});

describe("registerUse", () => {
  const program = { "/usr/lib/systemd/systemd-pcrextend": "", "/usr/lib/systemd/systemd-tpm2-setup": "" };
  const unit = (name: string) => ({
    [`${UNITS}/${name}`]: "x",
    [`${UNITS}/sysinit.target.wants/${name}`]: `-> ../${name}`,
  });
  // As Debian's systemd-tpm 262 has them.
  const later = {
    ...program,
    ...unit("systemd-pcrosseparator.service"),
    ...unit("systemd-tpm2-setup-early.service"),
    ...unit("systemd-pcrnvdone.service"),
    "/usr/lib/nvpcr/hardware.nvpcr": "{}",
  };
  const initrd = { "/etc/initrd-release": "" };
  const { "/usr/lib/nvpcr/hardware.nvpcr": __, ...withoutDefinitions } = later;

  it.each<[string, Record<string, string>, boolean, boolean]>([
    ["systemd 257", { ...SYSTEMD, ...TSS, ...initrd }, false, false],
    ["an initrd with systemd 262", { ...later, ...TSS, ...initrd }, true, true],
    ["an image that lives in its initrd", { ...later, ...TSS }, false, true],
    ["one without definitions of registers", { ...withoutDefinitions, ...TSS }, false, false],
    ["no TPM libraries", { ...later, ...initrd }, false, false],
    [
      "a masked separator",
      { ...later, ...TSS, ...initrd, "/etc/systemd/system/systemd-pcrosseparator.service": "-> /dev/null" },
      false,
      true,
    ],
  ])("%s", (___, files, hasOsSeparator, hasNvPcrs) => {
    expect(registerUse(treeFixture(files))).toEqual({ hasOsSeparator, hasNvPcrs });
  });
});
