import { createHash, createPrivateKey, X509Certificate } from "node:crypto";
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type ByteSource, derivedUuid, openFileSource, sha256Hex, sliceSource } from "@cvm-build/bytes";
import {
  type DiskPartition,
  encodeVeritySignature,
  type FoundPartition,
  GPT_ARCHITECTURES,
  PARTITION_TYPES,
  type PartitionType,
  partitionTypeUuid,
  readGpt,
  readVerity,
  readVeritySignature,
  verifyVerity,
  verityPartitionUuids,
  writeDisk,
  writeVerity,
} from "@cvm-build/fs-writer";
import { keySigner, signRootHash } from "@cvm-build/uki";
import { beforeAll, describe, expect, it } from "vitest";
import { requirePeers } from "../support/peers.ts";
import { type DebianRoot, debianRoot } from "../support/trixie-root.ts";
import { temporaryFolder } from "./temporary-folder.ts";

const SEED = "0e1f5a3c-5b0e-4f6b-9a2d-0c3b1f2a7d11";

describe.skipIf(!requirePeers("openssl"))("systemd of trixie", () => {
  let root: DebianRoot | undefined;
  beforeAll(() => {
    root = debianRoot("trixie", ["systemd-repart", "systemd-container", "systemd", "libcryptsetup12"]);
  });

  it("puts the same hash tree, signature and UUIDs on a disk as we do", async (context) => {
    if (!root) return context.skip();
    using folder = temporaryFolder();
    const path = (name: string): string => join(folder.path, name);
    makeKey(folder.path);
    const data = Buffer.concat(
      Array.from({ length: 5000 }, (_, index) => createHash("sha512").update(String(index)).digest()),
    );
    writeFileSync(path("data"), Buffer.concat([data, Buffer.alloc(4096 - (data.length % 4096))]));
    repart(root, folder.path);

    using disk = openFileSource(path("disk"));
    const gpt = readGpt(disk);
    expect(gpt.problems).toEqual([]);
    const place = (type: PartitionType): FoundPartition & { source: ByteSource } => {
      const found = gpt.partitions.find((partition) => partition.type === type);
      if (!found) throw new Error(`expected a partition of type ${type}`);
      return { ...found, source: sliceSource(disk, found.offsetBytes, found.sizeBytes) };
    };
    const { source: tree, uuid: dataUuid } = place("root");
    const { source: hash, uuid: hashUuid } = place("root-verity");
    const { source: signature } = place("root-verity-sig");

    const signed = readVeritySignature(signature.read(0, signature.sizeBytes));
    const { rootHash } = signed;
    expect(verityPartitionUuids(rootHash)).toEqual({ data: dataUuid, verity: hashUuid });
    expect(() => verifyVerity({ data: tree, hash }, { rootHash })).not.toThrow();

    const { algorithm, dataBlocks, formatVersion, salt, uuid } = readVerity(hash);
    writeFileSync(path("tree"), tree.read(0, dataBlocks * 4096));
    const options = { output: path("hash"), algorithm, formatVersion, salt, uuid };
    const written = await writeVerity({ path: path("tree") }, options);
    expect(written.rootHash).toBe(rootHash);
    expect(readFileSync(path("hash")).equals(hash.read(0, written.sizeBytes))).toBe(true);

    const partition = await signaturePartition(rootHash, folder.path);
    expect(readVeritySignature(partition).signature.equals(signed.signature)).toBe(true);
    expect(partition.equals(signature.read(0, signature.sizeBytes))).toBe(true);
  });

  it("takes our disk for a signed one, and misses what is not there", async (context) => {
    if (!root) return context.skip();
    using folder = temporaryFolder();
    const path = (name: string): string => join(folder.path, name);
    makeKey(folder.path);
    writeFileSync(path("data"), Buffer.alloc(65_536, "data"));
    const verity = { output: path("hash"), algorithm: "sha256", formatVersion: 1, uuid: SEED } as const;
    const { rootHash, sizeBytes } = await writeVerity({ path: path("data") }, { ...verity, salt: Buffer.from("salt") });
    const signature = await signaturePartition(rootHash, folder.path);
    const uuids = verityPartitionUuids(rootHash);
    const signed: DiskPartition[] = [
      { type: "usr", uuid: uuids.data, label: "usr", sizeBytes: 65_536, content: { path: path("data") } },
      { type: "usr-verity", uuid: uuids.verity, label: "verity", sizeBytes, content: { path: path("hash") } },
      {
        ...{ type: "usr-verity-sig", uuid: derivedUuid(SEED, "signature"), label: "signature" },
        ...{ sizeBytes: signature.length, content: { bytes: signature } },
      },
    ];
    const validate = (partitions: DiskPartition[], protection: string): string => {
      const output = path("disk");
      writeDisk({ output, partitions, architecture: "x86-64", diskUuid: derivedUuid(SEED, "disk") });
      return root!.run("usr/bin/systemd-dissect", ["--validate", `--image-policy=usr=${protection}`, output]);
    };
    expect(validate(signed, "signed")).toContain("OK");
    expect(() => validate(signed.slice(0, 2), "signed")).toThrow(/denied|not.*match|polic/i);
    expect(validate(signed.slice(0, 2), "verity")).toContain("OK");
    expect(() => validate(signed.slice(0, 1), "verity")).toThrow(/denied|not.*match|polic/i);
  });

  it("knows each type of partition by the name and UUID that we have", (context) => {
    if (!root) return context.skip();
    const known = new Map(
      root
        .run("usr/bin/systemd-id128", ["show", "--uuid"])
        .split("\n")
        .map((line) => line.trim().split(/\s+/) as [string, string]),
    );
    for (const type of Object.keys(PARTITION_TYPES) as PartitionType[]) {
      for (const architecture of GPT_ARCHITECTURES) {
        const [, tree = "", rest = ""] = /^(root|usr)(-.*)?$/.exec(type) ?? [];
        const name = tree === "" ? type : `${tree}-${architecture}${rest}`;
        expect([name, known.get(name)]).toEqual([name, partitionTypeUuid(type, architecture)]);
      }
    }
  });
});

/** A key and a certificate, as systemd-repart(8) wants them. */
function makeKey(folder: string): void {
  const files = ["-keyout", join(folder, "key.pem"), "-out", join(folder, "certificate.pem")];
  const request = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=verity", "-days", "30"];
  execFileSync("openssl", [...request, ...files], { stdio: "ignore" });
}

/** Contents of a signature partition, signed with the key in a folder. */
async function signaturePartition(rootHash: string, folder: string): Promise<Buffer> {
  const certificate = new X509Certificate(readFileSync(join(folder, "certificate.pem")));
  const signer = keySigner(createPrivateKey(readFileSync(join(folder, "key.pem"))), "key.pem");
  const signature = await signRootHash(rootHash, { signer, certificates: [certificate] });
  return encodeVeritySignature({ rootHash, certificateFingerprint: sha256Hex(certificate.raw), signature });
}

/** Has systemd-repart make `disk` of `data` in a folder. */
function repart(root: DebianRoot, folder: string): void {
  const definitions = join(folder, "definitions");
  mkdirSync(definitions);
  for (const [type, lines] of [
    ["root", [`CopyBlocks=${join(folder, "data")}`, "Verity=data"]],
    ["root-verity", ["Verity=hash"]],
    ["root-verity-sig", ["Verity=signature"]],
  ] as const) {
    const text = ["[Partition]", `Type=${type}`, "VerityMatchKey=root", ...lines, ""].join("\n");
    writeFileSync(join(definitions, `${type}.conf`), text);
  }
  root.run("usr/bin/systemd-repart", [
    "--empty=create",
    "--size=auto",
    "--dry-run=no",
    "--offline=yes",
    "--architecture=x86-64",
    `--seed=${SEED}`,
    `--definitions=${definitions}`,
    `--private-key=${join(folder, "key.pem")}`,
    `--certificate=${join(folder, "certificate.pem")}`,
    join(folder, "disk"),
  ]);
}
