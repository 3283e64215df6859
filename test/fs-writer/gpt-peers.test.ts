import { execFileSync, spawnSync } from "node:child_process";
import { readFileSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { bytesSource, derivedUuid, openFileSource } from "@cvm-build/bytes";
import {
  type DiskOptions,
  type DiskPartition,
  PARTITION_TYPES,
  type PartitionType,
  partitionTypeUuid,
  readGpt,
  writeDisk,
} from "@cvm-build/fs-writer";
import { describe, expect, it } from "vitest";
import { requirePeers } from "../support/peers.ts";
import { temporaryFolder } from "./temporary-folder.ts";

const ENV = { ...process.env, PATH: `${process.env["PATH"]}:/usr/sbin:/sbin`, LC_ALL: "C" };
const SEED = "0e1f5a3c-5b0e-4f6b-9a2d-0c3b1f2a7d11";
const MIB = 1 << 20;

const run = (program: string, args: readonly string[], input?: string): string =>
  execFileSync(program, args, { encoding: "utf8", env: ENV, ...(input !== undefined && { input }) });

function partition(type: PartitionType, sizeBytes: number, change: Partial<DiskPartition> = {}): DiskPartition {
  return { type, uuid: derivedUuid(SEED, type), label: type, sizeBytes, ...change };
}

const PARTITIONS: DiskPartition[] = [
  partition("esp", 3 * MIB, { flags: ["no-auto"] }),
  partition("root", 5 * MIB + 4096, { flags: ["read-only"], content: { bytes: Buffer.alloc(70_000, "root ") } }),
  partition("root-verity", 65_536, { flags: ["read-only", "no-auto"] }),
  partition("root-verity-sig", 16_384, { label: "Signatür 🔑 eines Wurzelverzeichnis" }),
  partition("var", 1, { flags: ["grow-file-system"] }),
];

const disk = (output: string, change: Partial<DiskOptions> = {}) =>
  writeDisk({ output, partitions: PARTITIONS, architecture: "x86-64", diskUuid: derivedUuid(SEED, "disk"), ...change });

describe.skipIf(!requirePeers("sgdisk", "sfdisk"))("partition tools", () => {
  it("find nothing to complain of, and what we put there", () => {
    using folder = temporaryFolder();
    const path = join(folder.path, "disk");
    const written = disk(path);
    const verified = run("sgdisk", ["-v", path]);
    expect(verified).toContain("No problems found");
    // Sizes are what their contents need; only where partitions begin is a matter of alignment.
    expect(verified.replace(/^Caution: Partition \d+ doesn't end on a 2048-sector boundary/gm, "")).not.toMatch(
      /warning|caution/i,
    );
    const sfdisk = spawnSync("sfdisk", ["--verify", path], { encoding: "utf8", env: ENV });
    expect([sfdisk.status, sfdisk.stdout + sfdisk.stderr]).toEqual([0, expect.stringContaining("No errors detected")]);

    const { partitiontable: table } = JSON.parse(run("sfdisk", ["--json", path])) as SfdiskJson;
    expect(table).toMatchObject({
      label: "gpt",
      id: derivedUuid(SEED, "disk").toUpperCase(),
      firstlba: 34,
      lastlba: written.sizeBytes / 512 - 34,
    });
    expect(table.partitions).toEqual(
      written.partitions.map(({ type, uuid, label, offsetBytes, sizeBytes, flags }, index) => ({
        node: `${path}${index + 1}`,
        start: offsetBytes / 512,
        size: sizeBytes / 512,
        type: partitionTypeUuid(type, "x86-64").toUpperCase(),
        uuid: uuid.toUpperCase(),
        name: label,
        ...(flags && { attrs: attributesOf(flags) }),
      })),
    );
  });

  it("make the same table of the same partitions", () => {
    using folder = temporaryFolder();
    const [ours, theirs] = [join(folder.path, "ours"), join(folder.path, "theirs")] as const;
    // In the C locale sfdisk takes no label that is not ASCII.
    const { sizeBytes } = disk(ours, { partitions: PARTITIONS.map((each) => ({ ...each, label: each.type })) });
    writeFileSync(theirs, "");
    truncateSync(theirs, sizeBytes);
    run("sfdisk", ["--quiet", "--no-reread", "--no-tell-kernel", theirs], run("sfdisk", ["--dump", ours]));
    const [mine, other] = [readFileSync(ours), readFileSync(theirs)];
    expect(other.subarray(0, 34 * 512).equals(mine.subarray(0, 34 * 512))).toBe(true);
    expect(other.subarray(-33 * 512).equals(mine.subarray(-33 * 512))).toBe(true);
  });

  it("make tables of arm64 and of sectors of 4096 bytes that are read here", () => {
    using folder = temporaryFolder();
    const path = join(folder.path, "disk");
    for (const sectorBytes of [512, 4096]) {
      writeFileSync(path, "");
      truncateSync(path, 8 * MIB);
      const script = [
        "label: gpt",
        `sector-size: ${sectorBytes}`,
        `size=1MiB, type=${PARTITION_TYPES.esp}, name=one`,
        `size=2MiB, type=${PARTITION_TYPES.usr.arm64}, attrs="GUID:59 RequiredPartition"`,
        "size=1MiB, type=00112233-4455-6677-8899-aabbccddeeff",
      ].join("\n");
      const sectors = sectorBytes === 512 ? [] : ["--sector-size", String(sectorBytes)];
      if (sectorBytes === 512) run("sfdisk", ["--quiet", path], `${script.replace(/sector-size.*\n/, "")}\n`);
      else if (spawnSync("sfdisk", [...sectors, "--quiet", path], { input: script, env: ENV }).status !== 0) continue;
      using source = openFileSource(path);
      const gpt = readGpt(source);
      expect(gpt).toMatchObject({ sectorBytes, table: "primary", problems: [] });
      expect(gpt.partitions).toMatchObject([
        { type: "esp", label: "one", sizeBytes: MIB, offsetBytes: MIB },
        { type: "usr", architecture: "arm64", sizeBytes: 2 * MIB, flags: ["required", "grow-file-system"] },
        { typeUuid: "00112233-4455-6677-8899-aabbccddeeff", offsetBytes: 4 * MIB },
      ]);
    }
  });

  it("repair from the backup what we read from the backup", () => {
    using folder = temporaryFolder();
    const path = join(folder.path, "disk");
    const { partitions, sizeBytes } = disk(path);
    const bytes = readFileSync(path);
    bytes.fill(0xff, 512, 1024);
    const damaged = readGpt(bytesSource(bytes));
    expect(damaged.table).toBe("backup");
    expect(damaged.problems).toEqual([expect.stringContaining("primary table is damaged")]);
    expect(damaged.partitions.map(({ uuid }) => uuid)).toEqual(partitions.map(({ uuid }) => uuid));
    writeFileSync(path, bytes);
    run("sgdisk", ["-e", path]);
    using source = openFileSource(path);
    expect(readGpt(source)).toMatchObject({ table: "primary", problems: [], diskUuid: derivedUuid(SEED, "disk") });
    expect(statSync(path).size).toBe(sizeBytes);
  });
});

interface SfdiskJson {
  partitiontable: {
    label: string;
    id: string;
    firstlba: number;
    lastlba: number;
    partitions: {
      node: string;
      start: number;
      size: number;
      type: string;
      uuid: string;
      name: string;
      attrs?: string;
    }[];
  };
}

function attributesOf(flags: readonly string[]): string {
  const bits = { "grow-file-system": 59, "read-only": 60, "no-auto": 63 } as Record<string, number>;
  return `GUID:${flags.map((flag) => bits[flag]).join(",")}`;
}
