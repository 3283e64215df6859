import { copyFileSync, cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { BuildReport } from "@cvm-build/image";
import { collectEvidence, type Evidence, type ImageBoot } from "@cvm-build/vm";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { cvmBuildJson, REPOSITORY } from "../support/cli.ts";
import { findHere } from "../vm/here.ts";
import { changeCommandLine, makeStorageProject, RUNS } from "./storage-image.ts";

const project = mkdtempSync(join(tmpdir(), "cvm-disk-storage-"));
const here = await findHere(tmpdir());
const at = (name: string) => join(project, name);

const INSECURE = "cvm-storage: Secure Boot is off: the host can have this disk's key";
const MOUNTED = "/dev/mapper/cvm-data /var/lib/data ext4 rw,nosuid,nodev,noexec,";
/** What the guest prints before name, "1" where nobody may write to it, and kind of its device-mapper devices. */
const DEVICE = "GUEST-DEVICE";

/** The storage tests' image on a disk, with its data in a partition of that disk, and a look at what it runs from. */
const FILES = {
  "cvm.conf": `[Include]
Include=../disk/cvm.conf
[Output]
ImageId=storage
[Content]
ExtraTrees=extra
[Disk]
DataPartition=64M
[Storage]
DataDisk=partlabel:vault
[Services]
Enable=look.service
[Validation]
SecureBoot=yes
SecureBootKey=../../keys/db.key
SecureBootCertificate=../../keys/db.crt
SignExpectedPcrKey=
SignExpectedPcrKey=../../keys/tpm2-pcr-private-key.pem
VerityKey=../../keys/db.key
VerityCertificate=../../keys/db.crt
`,
  "extra/usr/lib/systemd/system/look.service": `[Unit]
Before=count.service
[Service]
Type=oneshot
ExecStart=/usr/bin/busybox sh /usr/lib/test/look
StandardOutput=journal+console
[Install]
WantedBy=multi-user.target
`,
  "extra/usr/lib/test/look": `for device in /sys/block/dm-*; do
    echo "${DEVICE} $(busybox cat $device/dm/name) $(busybox cat $device/ro) $(busybox cut -d - -f -2 $device/dm/uuid)"
done
`,
};

describe.skipIf(!here)("the encrypted partition of the disk that a system runs from", () => {
  let build: BuildReport;
  let first: Evidence;

  beforeAll(async () => {
    makeStorageProject(project);
    cpSync(join(REPOSITORY, "profiles/disk"), at("profiles/disk"), { recursive: true });
    for (const [name, text] of Object.entries(FILES)) {
      mkdirSync(dirname(at(`profiles/on-disk/${name}`)), { recursive: true });
      writeFileSync(at(`profiles/on-disk/${name}`), text);
    }
    await cvmBuildJson(["keys", at("keys")]);
    const args = ["build", "--profile", "tpm2", "--profile", "on-disk", "--set", "Output.OutputDirectory=out"];
    build = await cvmBuildJson<BuildReport>(args, { cwd: project });
    copyFileSync(join(build.directory, "storage.raw"), at("disk.raw"));
    first = await run({ imagePath: at("disk.raw"), path: { kind: "disk", writes: "kept" } });
  });

  afterAll(() => rmSync(project, { recursive: true, force: true }));

  /** Boots on the same TPM until the guest switches itself off, which it does when it has counted or has no disk. */
  function run(image: Pick<ImageBoot, "imagePath" | "path" | "disks">): Promise<Evidence> {
    mkdirSync(at("tpm"), { recursive: true });
    return collectEvidence({
      ...here!,
      ...image,
      tpmStateDirectory: at("tpm"),
      ...{ memoryMiB: 1024, cpus: 1, network: "none" },
      until: [{ kind: "power-off" }],
      timeoutSec: 400,
      temporaryDirectory: tmpdir(),
    });
  }

  const said = ({ serial }: Evidence) =>
    serial.replaceAll("\r", "").match(new RegExp(`(cvm-storage: |${RUNS}|${DEVICE}).*`, "g"));

  it("is made at the first boot, while the root stays what the root hash says", () => {
    expect(build.manifest.phases).toEqual(["enter-initrd", "leave-initrd", "sysinit", "ready"]);
    expect(said(first)).toEqual(
      expect.arrayContaining([
        expect.stringContaining(`${DEVICE} root 1 CRYPT-VERITY`),
        INSECURE,
        "cvm-storage: made a new file system on /dev/vda5, partlabel:vault",
        expect.stringContaining(`${RUNS} 1 ${MOUNTED}`),
      ]),
    );
  });

  it("is opened at the next boot of the same disk, which has what was written", async () => {
    const second = await run({ imagePath: at("disk.raw"), path: { kind: "disk", writes: "kept" } });
    expect(said(second)).toEqual(
      expect.arrayContaining([
        "cvm-storage: opened /dev/vda5, partlabel:vault",
        expect.stringContaining(`${RUNS} 2 ${MOUNTED}`),
      ]),
    );
    // What was made is in no table that firmware measures.
    for (const pcr of [4, 5, 9]) expect([pcr, second.pcrs.sha256?.[pcr]]).toEqual([pcr, first.pcrs.sha256?.[pcr]]);
  });

  it("is refused to a system that another UKI has started from the same disk", async () => {
    changeCommandLine(join(build.directory, "storage.efi"), at("changed.efi"));
    const evidence = await run({ imagePath: at("changed.efi"), disks: [{ serial: "disk", path: at("disk.raw") }] });
    const lines = said(evidence);
    expect(lines).toContain(
      "cvm-storage: refused: /dev/vdb5: the TPM does not give its key to this image, or the header is not its own",
    );
    expect(lines?.join("\n")).not.toContain(RUNS);
  });
});
