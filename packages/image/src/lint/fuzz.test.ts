import { bytesSource, type Sha256Hex } from "@cvm-build/bytes";
import { encodeCpio, layOutCpio } from "@cvm-build/fs-writer";
import type { Uki } from "@cvm-build/uki";
import { expect, it } from "vitest";
import { runRules } from "./run-rules.ts";
import { subjectOfUki, treeOfUki } from "./subject-of-image.ts";
import { treeOf } from "./subject.fixture.ts";

/** Everything that rules read of a tree. */
const FILES = {
  "/etc/passwd": "root:x:0:0:root:/root:/bin/sh\n",
  "/etc/shadow": "root:$6$s$h:1::::::\n",
  "/etc/fstab": "host /mnt 9p trans=virtio 0 0\n",
  "/etc/crypttab": "data /dev/vdb - tpm2-device=auto\n",
  "/bin/sh": "elf",
  "/usr/lib/systemd/systemd": "elf",
  "/usr/lib/systemd/system/a.service": "[Service]\nExecStart=-/bin/sh -i\nStandardInput=tty\n",
  "/usr/lib/systemd/system/a.service.d/b.conf": "[Service]\nExecStart=\nExecStart=/bin/sh\n",
  "/usr/lib/systemd/system/x.target.wants/a.service": "-> ../a.service",
  "/usr/lib/systemd/system/mnt.mount": "[Mount]\nType=virtiofs\n",
  "/usr/lib/modules/6.12/modules.builtin": "kernel/fs/efivarfs/efivarfs.ko\n",
};
const ROUNDS = 600;

function archiveOf(files: Readonly<Record<string, string>>): Buffer {
  return Buffer.concat([...encodeCpio(layOutCpio(treeOf(files).entries(), { mtimeClampSec: 0 }))]);
}

/** Numbers below 2^31 that look random: Park and Miller's. */
function* numbers(): Generator<number, never> {
  for (let seed = 20261121; ; seed = (seed * 48271) % 0x7fffffff) yield seed;
}

const random = numbers();
const below = (limit: number) => random.next().value % limit;

/** Bytes with a few others in their place. */
function changed(bytes: Uint8Array): Buffer {
  const copy = Buffer.from(bytes);
  for (let change = 0; copy.length > 0 && change <= below(8); change++) copy[below(copy.length)] = below(256);
  return copy;
}

/** An initrd that is damaged, or whole with files that say what nobody would write. */
function initrd(round: number): Buffer {
  if (round % 2 === 0) return changed(archiveOf(FILES).subarray(0, round % 7 === 0 ? below(4000) : undefined));
  const files = Object.entries(FILES).map(([path, text]) => [
    path,
    text.startsWith("->") ? text : changed(Buffer.from(text)).toString("latin1"),
  ]);
  return archiveOf(Object.fromEntries(files) as Record<string, string>);
}

it("gives a report of any initrd, whatever is in it", () => {
  let readable = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const cmdline = Buffer.from(Array.from({ length: below(40) }, () => below(256)));
    const sections = { ".initrd": initrd(round), ".cmdline": cmdline };
    const base = new Map(Object.entries(sections).map(([name, each]) => [name, { name, content: bytesSource(each) }]));
    const uki = { base, profiles: [] } as unknown as Uki;
    const unpacked = treeOfUki(uki);
    if ("tree" in unpacked) readable++;
    const tree = "tree" in unpacked ? { tree: unpacked.tree } : {};
    const report = runRules({ ...subjectOfUki(uki), ...tree, unknown: {} }, { id: "a", sha256: "00" as Sha256Hex });
    expect(report.checked.length).toBeGreaterThan(0);
  }
  expect(readable).toBeGreaterThanOrEqual(ROUNDS / 2);
  expect(readable).toBeLessThan(ROUNDS);
});
