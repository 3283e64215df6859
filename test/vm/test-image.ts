import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { bytesSource, openFileSource } from "@cvm-build/bytes";
import { assembleUki, type SectionInput } from "@cvm-build/uki";
import { debianFiles } from "../support/trixie-root.ts";
import { debianKernel, debianStub } from "../support/uki-parts.ts";

/** What the guest prints when it has said everything. */
export const READY = "GUEST-READY";

/**
 * The start of a guest's script: it tells what it sees of its TPM, as a peer that shares nothing with us but the TPM and
 * the firmware's log.
 */
export const TELL_REGISTERS = `#!/bin/busybox sh
/bin/busybox --install /bin
export PATH=/bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
mount -t securityfs security /sys/kernel/security
cd /sys/class/tpm/tpm0
for bank in sha1 sha256 sha384 sha512; do
  for pcr in pcr-$bank/*; do echo "$pcr=$(cat $pcr)"; done
done
echo "log=$(sha256sum < /sys/kernel/security/tpm0/binary_bios_measurements)"`;

const INIT = `${TELL_REGISTERS}
echo ${READY}
case $(cat /proc/cmdline) in *test=poweroff*) sleep 5; poweroff -f ;; esac
exec sh
`;

/**
 * Makes a UKI of Debian's kernel and stub whose guest prints its registers.
 * @param then what the guest does afterwards: a shell on the serial port, or off after some seconds
 * @returns undefined where the parts cannot be had and a test may skip
 */
export function makeTestImage(directory: string, then: "shell" | "poweroff"): string | undefined {
  const kernel = debianKernel();
  const stub = debianStub("trixie");
  const busybox = debianFiles("trixie", ["busybox-static"], /^busybox-static$/);
  if (kernel === undefined || stub === undefined || busybox === undefined) return undefined;
  const initrd = join(directory, `${then}.initrd`);
  const files = makeInitrd([
    { path: "bin/busybox", content: readFileSync(join(busybox, "usr/bin/busybox")) },
    { path: "init", content: INIT },
  ]);
  writeFileSync(initrd, gzipSync(files, { level: 1 }));
  const output = join(directory, `${then}.efi`);
  using stubSource = openFileSource(stub);
  using kernelSource = openFileSource(kernel.path);
  using initrdSource = openFileSource(initrd);
  const text = (value: string) => bytesSource(Buffer.from(value));
  const sections: SectionInput[] = [
    { name: ".linux", content: [kernelSource] },
    { name: ".osrel", content: [text("ID=cvm-build-test\nVERSION_ID=1\n")] },
    { name: ".cmdline", content: [text(`console=ttyS0 loglevel=4 rdinit=/init panic=-1 test=${then}`)] },
    { name: ".initrd", content: [initrdSource] },
  ];
  assembleUki({ stub: stubSource, sections, output });
  return output;
}

/** Makes a cpio archive of programs, with the folders that a guest mounts things on. */
export function makeInitrd(files: readonly { path: string; content: Uint8Array | string }[]): Buffer {
  const directories = ["bin", "proc", "sys", "dev"].map((name) => newcEntry(name, 0o40755, Buffer.alloc(0)));
  return Buffer.concat([
    ...directories,
    ...files.map(({ path, content }) => newcEntry(path, 0o100755, Buffer.from(content as string))),
    newcEntry("TRAILER!!!", 0, Buffer.alloc(0)),
  ]);
}

/** @see cpio(5), "New ASCII Format" */
function newcEntry(name: string, mode: number, content: Buffer): Buffer {
  const fields = [0, mode, 0, 0, 1, 0, content.length, 0, 0, 0, 0, name.length + 1, 0];
  const header = `070701${fields.map((field) => field.toString(16).padStart(8, "0")).join("")}${name}\0`;
  const pad = (bytes: Buffer) => Buffer.concat([bytes, Buffer.alloc(-bytes.length & 3)]);
  return Buffer.concat([pad(Buffer.from(header)), pad(content)]);
}
