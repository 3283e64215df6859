import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { bytesSource, FormatError } from "@cvm-build/bytes";
import {
  contentOf,
  encodeCpio,
  encodeTar,
  FileTree,
  layOutCpio,
  verityPartitionUuids,
  writeDisk,
  writeErofs,
  writeVerity,
  writeVfat,
} from "@cvm-build/fs-writer";
import * as fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { dissect, type DissectedImage } from "./dissect.ts";
import { FOUND, ROOT_ATTRIBUTES } from "./trees/found-tree.ts";
import { Workspace } from "./workspace.ts";

const folder = mkdtempSync(join(tmpdir(), "cvm-dissect-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Of each format; a disk takes twice the time. */
const CASES = Number(process.env["CVM_FUZZ_CASES"] ?? 120);
const FUZZ = { timeout: 30_000 + CASES * 100 };
const UUID = "0e1f5a3c-5b0e-4f6b-9a2d-0c3b1f2a7d11";
const images: Record<string, Buffer> = {};

beforeAll(async () => {
  const tree = new FileTree(ROOT_ATTRIBUTES);
  for (const path of ["/etc", "/EFI/Linux"]) tree.makeDirectories(path, FOUND);
  tree.set("/etc/os-release", { ...ROOT_ATTRIBUTES, kind: "file", content: contentOf("ID=debian\n") });
  tree.set("/EFI/Linux/x.efi", { ...ROOT_ATTRIBUTES, kind: "file", content: contentOf("MZ".repeat(3000)) });
  const path = (name: string): string => join(folder, name);
  const limits = { mtimeClampSec: 1_700_000_000 };
  await writeErofs(tree, { ...limits, output: path("erofs"), uuid: UUID, threads: 1 });
  await writeVfat(tree, { ...limits, output: path("vfat"), sizeBytes: 1 << 17, label: "ESP", serial: 1 });
  const verity = { formatVersion: 1, algorithm: "sha256", salt: Buffer.alloc(32, 1), uuid: UUID } as const;
  const { rootHash, sizeBytes } = await writeVerity({ path: path("erofs") }, { ...verity, output: path("verity") });
  const uuids = verityPartitionUuids(rootHash);
  const part = { label: "", sizeBytes: 1 << 20 };
  await writeDisk({
    output: path("disk"),
    diskUuid: UUID,
    architecture: "x86-64",
    partitions: [
      { ...part, type: "esp", uuid: UUID.replace("0", "1"), content: { path: path("vfat") } },
      { ...part, type: "root", uuid: uuids.data, content: { path: path("erofs") }, flags: ["read-only"] },
      { ...part, type: "root-verity", uuid: uuids.verity, content: { path: path("verity") } },
    ],
  });
  expect(sizeBytes).toBeGreaterThan(0);
  for (const name of ["erofs", "vfat", "verity", "disk"]) images[name] = readFileSync(path(name));
  images["initrd"] = Buffer.concat([...encodeCpio(layOutCpio(tree.entries(), limits))]);
  images["initrd.zst"] = zstdCompressSync(images["initrd"]);
  images["tar.gz"] = gzipSync(encodeTar([{ name: "etc/os-release", type: "file", bytes: Buffer.from("ID=debian\n") }]));
});

async function look(
  bytes: Buffer,
  options: { verify?: boolean; keepContents?: boolean; maxFiles?: number } = {},
): Promise<DissectedImage> {
  using workspace = new Workspace(folder);
  return await dissect(bytesSource(bytes), {
    name: "image",
    verify: false,
    keepContents: false,
    ...options,
    workspace,
  });
}

describe("dissect", () => {
  it.each([
    ["erofs", "erofs", []],
    ["vfat", "vfat", []],
    ["verity", "verity", []],
    ["disk", "gpt", []],
    ["initrd", "cpio", []],
    ["initrd.zst", "cpio", []],
    ["tar.gz", "tar", ["gzip"]],
  ])("recognises %s", async (name, format, layers) => {
    const { report } = await look(images[name]!);
    expect([report.format, report.layers, report.problems]).toEqual([format, layers, []]);
    if (name !== "verity" && name !== "vfat") expect(report.osRelease).toEqual(["ID=debian"]);
  });

  it("verifies data, and says where they differ", async () => {
    const { report } = await look(images["disk"]!, { verify: true });
    const verity = report.partitions?.[2]?.contents.verity;
    expect([verity?.verification, report.problems]).toEqual(["verified", []]);
    const damaged = Buffer.from(images["disk"]!);
    damaged[(2 << 20) + 4096] = 0xff;
    const other = await look(damaged, { verify: true });
    expect(other.report.problems).toEqual([
      expect.stringMatching(/^root is damaged: cannot decode verity data, block 1 /),
    ]);
  });

  it("says what firmware finds on a disk", async () => {
    const { report } = await look(images["disk"]!);
    const problem = expect.stringContaining("cannot decode") as string;
    expect(report.programs).toEqual([{ path: "/EFI/Linux/x.efi", kind: "efi", problem }]);
    expect(report.mounts?.map(({ designator, verity, rw }) => [designator, verity, rw])).toEqual([
      ["root", "no", "ro"],
      ["esp", null, "rw"],
      ["root-verity", null, "ro"],
    ]);
  });

  it("looks at so many files of partitions, and says of which it does not", async () => {
    const { report } = await look(images["disk"]!, { maxFiles: 2 });
    const [esp, root] = report.partitions ?? [];
    expect([esp?.contents.problem, esp?.contents.facts["entries"]]).toEqual([undefined, 5]);
    expect(root?.contents.problem).toBe("cannot decode image: expected fewer files in all partitions");
    expect(root?.contents.label).toBe("");
  });

  it("leaves no temporary files", () => {
    expect(readdirSync(folder).filter((name) => name.startsWith("."))).toEqual([]);
  });

  it.each(["erofs", "vfat", "verity", "disk", "initrd", "initrd.zst", "tar.gz"])(
    "gives a report or a FormatError for mutated %s",
    FUZZ,
    async (name) => {
      const bytes = images[name]!;
      const used = bytes.length > 1 << 20 ? 1 << 14 : bytes.length;
      const starts = name === "disk" ? [0, 1 << 20, 2 << 20, 3 << 20] : [0];
      const place = fc.tuple(fc.constantFrom(...starts), fc.nat({ max: used - 1 })).map(([start, at]) => start + at);
      const patch = fc.tuple(place, fc.uint8Array({ minLength: 1, maxLength: 4 }));
      const mutated = Buffer.from(bytes);
      await fc.assert(
        fc.asyncProperty(fc.array(patch, { minLength: 1, maxLength: 4 }), async (patches) => {
          for (const [at, values] of patches) mutated.set(values.subarray(0, mutated.length - at), at);
          try {
            await look(mutated, { keepContents: true });
          } catch (error) {
            expect(error).toBeInstanceOf(FormatError);
          }
          for (const [at] of patches) bytes.copy(mutated, at, at, at + 4);
        }),
        { seed: 4, numRuns: name === "disk" ? Math.ceil(CASES / 2) : CASES },
      );
    },
  );
});
