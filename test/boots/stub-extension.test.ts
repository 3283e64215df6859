import {
  copyFileSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { BuildReport, Measurements, Proof } from "@cvm-build/image";
import { collectEvidence, type EspFile, type Evidence, type ImageBoot } from "@cvm-build/vm";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { cvmBuild, cvmBuildJson, REPOSITORY } from "../support/cli.ts";
import { findHere } from "../vm/here.ts";

const project = mkdtempSync(join(tmpdir(), "cvm-stub-extension-"));
const here = await findHere(tmpdir());
const at = (name: string) => join(project, name);

/** What the guest prints before what it has of extensions. */
const SAYS = "GUEST-SAYS";
const SYSTEMD = "usr/lib/systemd/system";
const UPHOLDS = `profiles/extra-sysext/${SYSTEMD}/multi-user.target.upholds`;
const TIMEOUT_SEC = 400;
const HOST_PROFILE = ["--profile", "host"];

const HOST = `[Include]
Include=../base/cvm.conf
[Output]
ImageId=host
[Content]
MachineId=0d2c4a4e8a0c4b1f9a3e0f4f7d3c1b2a
ExtraTrees=extra
MergeExtensions=signed
Packages=dmsetup libcryptsetup12
KernelModules=erofs loop overlay
KernelCommandLine=console=ttyS0,115200 quiet panic=-1 systemd.firstboot=no systemd.show_status=no
[Services]
Mask=getty-static.service getty@tty1.service
Enable=look.service
`;

const extension = (format: string, key: string) => `[Distribution]
Distribution=debian
Release=trixie
Architecture=x86-64
[Output]
Format=${format}
ImageId=tools
[Content]
ExtraTrees=../extra-${format}
[Validation]
VerityKey=${key}.key
VerityCertificate=${key}.crt
`;

const FILES: Record<string, string> = {
  "profiles/host/cvm.conf": HOST,
  [`profiles/host/extra/${SYSTEMD}/look.service`]: `[Unit]
After=systemd-sysext.service systemd-confext.service
[Service]
# The target is reached while this runs, and then starts what it upholds.
Type=exec
ExecStart=/usr/bin/busybox sh /usr/lib/test/look
ExecStopPost=/usr/bin/busybox poweroff -f
StandardOutput=journal+console
[Install]
WantedBy=multi-user.target
`,
  "profiles/host/extra/usr/lib/test/look": `for second in 1 2 3 4 5 6 7 8 9 10; do
    [ ! -e /usr/share/tools ] || [ -e /run/tools ] || busybox sleep 1
done
echo "${SAYS} $(busybox cat /usr/share/tools/greeting /etc/tools.conf /run/tools 2>/dev/null | busybox tr '\\n' ' ')."
for device in /sys/block/dm-*; do
    [ ! -e $device ] || echo "${SAYS} $(busybox cut -d - -f -2 $device/dm/uuid) $(busybox cat $device/ro)"
done
`,
  "profiles/sysext/cvm.conf": extension("sysext", "../../keys/db"),
  "profiles/confext/cvm.conf": extension("confext", "../../keys/db"),
  "profiles/stranger/cvm.conf": extension("confext", "../../stranger/db"),
  "profiles/extra-sysext/usr/share/tools/greeting": "hello\n",
  "profiles/extra-sysext/usr/lib/tools/run": "echo started >/run/tools\n",
  [`profiles/extra-sysext/${SYSTEMD}/tools.service`]: `[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/bin/busybox sh /usr/lib/tools/run
`,
  "profiles/extra-confext/etc/tools.conf": "configured\n",
};

describe.skipIf(!here)("extensions beside a UKI", () => {
  beforeAll(async () => {
    cpSync(join(REPOSITORY, "profiles"), at("profiles"), { recursive: true });
    for (const [name, text] of Object.entries(FILES)) write(name, text);
    mkdirSync(at(UPHOLDS));
    symlinkSync("../tools.service", at(`${UPHOLDS}/tools.service`));
    await cvmBuildJson(["keys", at("keys")]);
    await cvmBuildJson(["keys", at("stranger")]);
    mkdirSync(at("profiles/host/extra/etc/verity.d"), { recursive: true });
    copyFileSync(at("keys/db.crt"), at("profiles/host/extra/etc/verity.d/mine.crt"));
    await build(["--profile", "sysext"]);
    for (const [profile, id] of Object.entries({ confext: "settings", stranger: "stranger" })) {
      const { directory } = await build(["--profile", profile, "--set", `ImageId=${id}`]);
      // systemd-stub knows configuration extensions by the end of their names.
      copyFileSync(join(directory, `${id}.raw`), at(`${id}.confext.raw`));
    }
  });

  afterAll(() => rmSync(project, { recursive: true, force: true }));

  it("are merged by a system that lives in its initrd, and proved", async () => {
    const { directory } = await build([...HOST_PROFILE, ...beside("out/tools/tools.raw", "settings.confext.raw")]);
    const { serial } = await run({ imagePath: join(directory, "host.efi"), espFiles: companionsBeside(directory) });
    expect(said(serial)).toEqual(["hello configured started .", "CRYPT-VERITY 1", "CRYPT-VERITY 1"]);
    const proof = await cvmBuildJson<Proof>(["prove", directory, "--timeout", String(TIMEOUT_SEC)]);
    expect(proof.agrees).toBe(true);
    const logged = Object.fromEntries(proof.registers.map(({ register, events }) => [register, events.length]));
    expect(logged).toMatchObject({ pcr12: 1, pcr13: 1 });
    const explained = await cvmBuild(["explain", "pcr13", directory, "--no-color"]);
    expect(explained.stdout).toContain("file: tools.raw");
  });

  it("are merged by a system on a disk, as its registers say", async () => {
    const disk = ["--profile", "disk", "--set", "ImageId=host-disk"];
    const { directory } = await build([
      ...HOST_PROFILE,
      ...disk,
      ...beside("out/tools/tools.raw", "settings.confext.raw"),
    ]);
    const { serial, pcrs } = await run({ imagePath: join(directory, "host-disk.raw"), path: { kind: "disk" } });
    expect(said(serial)).toEqual(["hello configured started .", ...Array<string>(3).fill("CRYPT-VERITY 1")]);
    const { platforms } = JSON.parse(readFileSync(join(directory, "measurements.json"), "utf8")) as Measurements;
    const predicted = platforms[0]?.registers.pcr.sha256;
    for (const pcr of [4, 9, 12, 13]) expect([pcr, pcrs.sha256?.[pcr]]).toEqual([pcr, predicted?.[pcr]]);
    expect(predicted?.[13]).not.toMatch(/^0*$/);
  });

  it("are not merged if nobody has signed them, or somebody else", async () => {
    await build(["--profile", "sysext", "--set", "ImageId=unsigned", "--set", "Verity=hash"]);
    const { directory } = await build([
      ...HOST_PROFILE,
      ...beside("out/unsigned/unsigned.raw", "stranger.confext.raw"),
    ]);
    const { serial } = await run({ imagePath: join(directory, "host.efi"), espFiles: companionsBeside(directory) });
    expect(said(serial)).toEqual(["."]);
  });

  const build = (args: string[]): Promise<BuildReport> =>
    cvmBuildJson(["build", ...args, "--set", "OutputDirectory=out"], { cwd: project });
  const beside = (...files: string[]) => ["--set", `UKI.Companions=${files.map(at).join(" ")}`];

  function companionsBeside(directory: string): EspFile[] {
    const folder = join(directory, "host.efi.extra.d");
    return readdirSync(folder).map((name) => ({
      espPath: `EFI/BOOT/BOOTX64.EFI.extra.d/${name}`,
      hostPath: join(folder, name),
    }));
  }

  /** Boots until the guest has said what it has, and switches itself off. */
  function run(image: Pick<ImageBoot, "imagePath" | "path" | "espFiles">): Promise<Evidence> {
    return collectEvidence({
      ...here!,
      ...image,
      ...{ memoryMiB: 1024, cpus: 1, network: "none" },
      until: [{ kind: "power-off" }],
      timeoutSec: TIMEOUT_SEC,
      temporaryDirectory: tmpdir(),
    });
  }

  const said = (serial: string) => [...serial.matchAll(new RegExp(`${SAYS} (.*?)\\r?\n`, "g"))].map(([, text]) => text);

  function write(name: string, text: string): void {
    mkdirSync(dirname(at(name)), { recursive: true });
    writeFileSync(at(name), text);
  }
});
