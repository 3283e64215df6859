import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { digest } from "@cvm-build/bytes";
import { environmentOfFwCfg, identifyTdFirmware, predictMrtd, predictRtmrs, type TdFirmware } from "@cvm-build/measure";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { makeTdvf } from "../../packages/measure/src/firmware/tdvf.fixture.ts";
import { makeKernel } from "../../packages/uki/src/pe/pe.fixture.ts";
import { requirePeers } from "../support/peers.ts";
import { debianFiles } from "../support/trixie-root.ts";

const hasPeers = requirePeers("qemu-system-x86_64");

/** fw_cfg's ports and items. @see QEMU, docs/specs/fw_cfg.rst */
const PORTS = { selector: 0x510, data: 0x511 } as const;
const ITEMS = { bootMenu: 0x0e, fileDirectory: 0x19 } as const;

/** What a QEMU that does not run its guest offers to firmware: files by name, and the item that says whether it has a menu. */
async function readFwCfg(args: readonly string[]): Promise<{ files: Record<string, Buffer>; bootMenu: Buffer }> {
  const qemu = spawn("qemu-system-x86_64", [
    ...["-S", "-machine", "q35", "-accel", "tcg", "-m", "512", "-nodefaults", "-display", "none", "-qmp", "stdio"],
    ...args,
  ]);
  try {
    const lines = createInterface({ input: qemu.stdout })[Symbol.asyncIterator]();
    const call = async (execute: string, given: object = {}): Promise<unknown> => {
      qemu.stdin.write(JSON.stringify({ execute, arguments: given }));
      for (;;) {
        const line = await lines.next();
        if (line.done) throw new Error("QEMU has ended");
        const answer = JSON.parse(line.value) as { return?: unknown; error?: { desc: string } };
        if (answer.error) throw new Error(answer.error.desc);
        if ("return" in answer) return answer.return;
      }
    };
    const monitor = async (line: string) => String(await call("human-monitor-command", { "command-line": line }));
    const select = (item: number) => monitor(`o/h ${PORTS.selector} ${item}`);
    const read = async (sizeBytes: number) => {
      const bytes = Buffer.alloc(sizeBytes);
      for (let index = 0; index < sizeBytes; index++) {
        bytes[index] = Number(/= (0x[0-9a-f]+)/.exec(await monitor(`i/b ${PORTS.data}`))?.[1]);
      }
      return bytes;
    };
    await call("qmp_capabilities");
    await select(ITEMS.fileDirectory);
    const count = (await read(4)).readUInt32BE();
    const entries: Buffer[] = [];
    for (let index = 0; index < count; index++) entries.push(await read(64));
    const files: Record<string, Buffer> = {};
    for (const entry of entries) {
      const name = entry.toString("latin1", 8).replace(/\0.*/s, "");
      const sizeBytes = entry.readUInt32BE();
      await select(entry.readUInt16BE(4));
      // Of large tables the content does not matter here.
      files[name] = sizeBytes > 8192 ? Buffer.alloc(sizeBytes) : await read(sizeBytes);
    }
    await select(ITEMS.bootMenu);
    return { files, bootMenu: await read(2) };
  } finally {
    qemu.kill();
  }
}

let folder: string;
beforeAll(() => void (folder = mkdtempSync(join(tmpdir(), "cvm-fw-cfg-"))));
afterAll(() => rmSync(folder, { recursive: true }));

const firmware: TdFirmware = {
  file: makeTdvf([
    { rawDataSizeBytes: 0x1000, memoryAddress: 0xffff_0000, memoryDataSizeBytes: 0x1000, type: 1 },
    { memoryAddress: 0x80_9000, memoryDataSizeBytes: 0x2000, type: 2 },
  ]),
  release: "2025.05",
  build: "IntelTdxX64",
};

/** What RTMR 0 gets of QEMU, after the TD HOB and the volume of variables. */
function measuredOf(fwCfg: Awaited<ReturnType<typeof readFwCfg>>, bootMenu: boolean): [string, string | undefined][] {
  const environment = environmentOfFwCfg(fwCfg.files, { bootMenu });
  const td = { firmware, machine: { memoryBytes: 2 ** 29 }, software: {}, environment };
  const { events } = predictRtmrs({ events: [], unpredicted: [] }, td);
  return events
    .filter(({ register, type }) => register === "rtmr0" && type === "EV_PLATFORM_CONFIG_FLAGS")
    .map(({ label, digests }) => [label, digests.sha384?.slice(0, 12)]);
}

const sha384 = (content: Uint8Array | undefined) => content && digest("sha384", content).toString("hex").slice(0, 12);

describe.skipIf(!hasPeers)("what QEMU hands to firmware beside memory", () => {
  it("is, with a kernel, the ROM that starts it, no menu, and ACPI tables in their order", async () => {
    const kernel = join(folder, "vmlinuz");
    writeFileSync(kernel, makeKernel("6.12.1-test"));
    const fwCfg = await readFwCfg(["-kernel", kernel]);
    expect(fwCfg.files["bootorder"]?.toString("latin1")).toBe("/rom@genroms/linuxboot_dma.bin\0");
    expect(fwCfg.bootMenu).toEqual(Buffer.of(0, 0));
    expect(measuredOf(fwCfg, false)).toEqual([
      ["BootMenu", sha384(Buffer.of(0, 0))],
      ["bootorder", sha384(Buffer.from("/rom@genroms/linuxboot_dma.bin\0"))],
      ["ACPI DATA", sha384(fwCfg.files["etc/table-loader"])],
      ["ACPI DATA", sha384(fwCfg.files["etc/acpi/rsdp"])],
      ["ACPI DATA", sha384(fwCfg.files["etc/acpi/tables"])],
    ]);
  });

  it("is, with a menu, memory to plug in and a disk to start from, what each says of itself", async () => {
    const disk = join(folder, "disk");
    writeFileSync(disk, "");
    truncateSync(disk, 1 << 20);
    const fwCfg = await readFwCfg([
      ...["-m", "512,maxmem=4G,slots=2", "-boot", "menu=on,splash-time=5000"],
      ...["-drive", `if=none,id=d,format=raw,file=${disk}`, "-device", "virtio-blk-pci,drive=d,bootindex=1"],
    ]);
    expect(fwCfg.bootMenu).toEqual(Buffer.of(1, 0));
    expect(measuredOf(fwCfg, true).slice(0, 4)).toEqual([
      ["BootMenu", sha384(Buffer.of(1, 0))],
      ["etc/boot-menu-wait", sha384(Buffer.of(0x88, 0x13))],
      ["etc/reserved-memory-end", sha384(fwCfg.files["etc/reserved-memory-end"])],
      ["bootorder", sha384(fwCfg.files["bootorder"])],
    ]);
    expect(fwCfg.files["etc/reserved-memory-end"]).toHaveLength(8);
  });
});

describe("Debian's firmware for TDX", () => {
  it("is told from that for all machines by its modules, and has a pair of MRTDs", ({ skip }) => {
    const root = debianFiles("sid", ["ovmf-inteltdx"], /^ovmf-inteltdx$/);
    if (root === undefined) return void skip();
    const file = readFileSync(join(root, "usr/share/ovmf/OVMF.inteltdx.ms.fd"));
    expect(predictMrtd(file, { passes: "single" }).mrtd).not.toBe(predictMrtd(file, { passes: "two" }).mrtd);
    return expect(identifyTdFirmware(file)).resolves.toEqual({ build: "IntelTdxX64", measuresCc: true });
  });
});
