import { generateKeyPairSync } from "node:crypto";
import { cpSync, mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { bytesSource, openFileSource } from "@cvm-build/bytes";
import { assembleUki, readUki } from "@cvm-build/uki";
import { cvmBuildJson, REPOSITORY } from "../support/cli.ts";
import { debianStub } from "../support/uki-parts.ts";

/** What the guest prints when it has its data, before how often it has had it, and the line of /proc/mounts. */
export const RUNS = "GUEST-RUNS";
/** What the guest prints before each event that systemd has logged for PCR 15, as JSON. */
export const IDENTITY = "GUEST-IDENTITY";

const UNITS = "usr/lib/systemd/system";

/** The smallest image that opens a disk: it counts its boots in a file on it, says so, and switches the machine off. */
const COMMON = `[Include]
Include=../base/cvm.conf
[Output]
ImageId=storage
[Content]
MachineId=0d2c4a4e8a0c4b1f9a3e0f4f7d3c1b2a
ExtraTrees=extra
Packages=
        cryptsetup-bin
        e2fsprogs
        libtss2-esys-3.0.2-0t64
        libtss2-mu-4.0.1-0t64
        libtss2-rc0t64
        libtss2-tcti-device0t64
        systemd-cryptsetup
KernelModules=
        aesni-intel
        authenc
        dm-integrity
        xts
KernelCommandLine=console=ttyS0,115200 quiet panic=-1 systemd.firstboot=no systemd.show_status=no
[Services]
Mask=getty-static.service getty@tty1.service e2scrub_reap.service
`;

const TPM2 = `${COMMON}Enable=count.service
[Storage]
DataDisk=serial:data
[Validation]
SignExpectedPcr=yes
SignExpectedPcrKey=pcr.pem
`;

const RUNTIME = `${COMMON}Enable=count.service bring-key.service
[Storage]
DataDisk=label:vault
Key=runtime
Integrity=yes
`;

const FILES: Record<string, string> = {
  [`${UNITS}/count.service`]: `[Unit]
SuccessAction=poweroff
[Service]
Type=oneshot
StateDirectory=data/count
ExecStart=/usr/bin/busybox sh /usr/lib/test/count
StandardOutput=journal+console
[Install]
WantedBy=multi-user.target
`,
  "usr/lib/test/count": `echo run >>/var/lib/data/count/runs
busybox tr -d '\\036' </run/log/systemd/tpm2-measure.log | busybox sed -n '/"pcr":15,/s/^/${IDENTITY} /p'
echo "${RUNS} $(busybox wc -l </var/lib/data/count/runs) $(busybox grep ' /var/lib/data ' /proc/mounts)"
`,
  [`${UNITS}/cvm-storage.service.d/test.conf`]: "[Unit]\nFailureAction=poweroff\n",
  // In place of an agent that is given the key after attestation: the key is on another disk.
  [`${UNITS}/bring-key.service`]: `[Service]
Type=oneshot
ExecStart=/usr/bin/busybox sh /usr/lib/test/bring-key
[Install]
WantedBy=multi-user.target
`,
  "usr/lib/test/bring-key": `umask 077
until [ -e /dev/vdc ]; do busybox sleep 0.2; done
busybox head -c 64 /dev/vdc >/run/cvm/keys/new
busybox mv /run/cvm/keys/new /run/cvm/keys/data.key
`,
};

/** A folder of profiles `tpm2` and `runtime`, with a key for PCR policies. */
export function makeStorageProject(folder: string): void {
  cpSync(join(REPOSITORY, "profiles/base"), join(folder, "profiles/base"), { recursive: true });
  for (const [name, text] of Object.entries({ tpm2: TPM2, runtime: RUNTIME })) {
    const write = (path: string, content: string, mode = 0o644) => {
      const full = join(folder, "profiles", name, path);
      mkdirSync(dirname(full), { recursive: true });
      writeFileSync(full, content, { mode });
    };
    write("cvm.conf", text);
    for (const [path, content] of Object.entries(FILES)) write(`extra/${path}`, content);
    const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
    write("pcr.pem", String(privateKey.export({ type: "pkcs8", format: "pem" })), 0o600);
  }
}

/** Builds a profile of the project. @returns the UKI's path, in a folder of its own */
export async function buildStorageImage(
  project: string,
  { profile, output, settings = [] }: { profile: "tpm2" | "runtime"; output: string; settings?: string[] },
): Promise<string> {
  const all = [`Output.OutputDirectory=${join(project, output)}`, ...settings];
  const args = ["build", "--profile", profile, ...all.flatMap((setting) => ["--set", setting])];
  const { directory } = await cvmBuildJson<{ directory: string }>(args, { cwd: project });
  return join(directory, "storage.efi");
}

/** Another command line in a UKI that keeps the policies it was signed with: what somebody without the key can make. */
export function changeCommandLine(image: string, output: string): void {
  using source = openFileSource(image);
  using stub = openFileSource(debianStub("trixie")!);
  const sections = [...readUki(source).base]
    .filter(([name]) => name !== ".sbat")
    .map(([name, { content }]) => {
      if (name !== ".cmdline") return { name, content: [content] };
      const text = content.read(0, content.sizeBytes).toString();
      return { name, content: [bytesSource(Buffer.from(`${text} changed`))] };
    });
  assembleUki({ stub, sections, output });
}
