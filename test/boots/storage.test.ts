import { copyFileSync, cpSync, mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { createHash } from "node:crypto";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { collectEvidence, type Evidence, findTools, probeHost, secureBootFirmwarePlaces } from "@cvm-build/vm";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { TAMPERINGS, tamperLuksHeader } from "../support/luks-header.ts";
import { requirePeers } from "../support/peers.ts";
import { STORAGE_PEERS, StorageProgram } from "../support/storage-program.ts";
import { debianRoot } from "../support/trixie-root.ts";
import { cvmBuildJson } from "../support/cli.ts";
import { buildStorageImage, changeCommandLine, IDENTITY, makeStorageProject, RUNS } from "./storage-image.ts";

const root = debianRoot("trixie", STORAGE_PEERS);
const canBoot = requirePeers("qemu-system-x86_64", "swtpm");
/** The header, and a file system that is quickly made. */
const DISK_BYTES = 40 << 20;
const INSECURE = "cvm-storage: Secure Boot is off: the host can have this disk's key";
const MACHINE = "machine-id:0d2c4a4e8a0c4b1f9a3e0f4f7d3c1b2a";
const MOUNTED = "/dev/mapper/cvm-data /var/lib/data ext4 rw,nosuid,nodev,noexec,";

/** An event in systemd's log, as TCG's canonical event log has it. */
interface IdentityEvent {
  digests: { hashAlg: string; digest: string }[];
  content: { string: string };
}

describe.skipIf(!canBoot || !root)("the encrypted disk for data", () => {
  let project: string;
  /** Boots that have nothing to do with the others, and go on beside them. */
  let brought: Promise<Evidence[]>;
  const at = (name: string) => join(project, name);

  beforeAll(() => {
    project = mkdtempSync(join(tmpdir(), "cvm-storage-"));
    makeStorageProject(project);
    brought = bootWithBroughtKeys();
    brought.catch(() => {});
  });

  afterAll(async () => {
    await Promise.allSettled([brought]);
    rmSync(project, { recursive: true, force: true });
  });

  function makeBlankDisk(name: string): void {
    writeFileSync(at(name), "");
    truncateSync(at(name), DISK_BYTES);
  }

  /** Boots until the guest switches itself off, which it does when it has counted or has no disk. */
  async function run(
    image: string,
    {
      disks,
      tpm,
      credential = false,
      variables,
    }: { disks: Record<string, string>; tpm: string; credential?: boolean; variables?: string },
  ): Promise<Evidence> {
    const secure = variables === undefined ? {} : { firmwarePlaces: secureBootFirmwarePlaces(variables) };
    const tools = await findTools({ searchPath: process.env["PATH"] ?? "", ...secure });
    mkdirSync(at(tpm), { recursive: true });
    writeFileSync(at("x.cred"), "a host's own");
    return collectEvidence({
      tools,
      host: await probeHost(tools, { temporaryDirectory: tmpdir() }),
      imagePath: image,
      espFiles: credential ? [{ espPath: "EFI/BOOT/BOOTX64.EFI.extra.d/x.cred", hostPath: at("x.cred") }] : [],
      disks: Object.entries(disks).map(([serial, name]) => ({ serial, path: at(name) })),
      tpmStateDirectory: at(tpm),
      memoryMiB: 768,
      cpus: 1,
      network: "none",
      until: [{ kind: "power-off" }],
      timeoutSec: 240,
      temporaryDirectory: tmpdir(),
    });
  }

  /** What is in PCR 15, by the guest's log: the names of the events, and what they make of a register that was zero. */
  function identity({ serial }: Evidence) {
    const lines = [...serial.replaceAll("\r", "").matchAll(new RegExp(`${IDENTITY} (.*)`, "g"))];
    const events = lines.map(([, line = ""]) => JSON.parse(line) as IdentityEvent);
    const digests = events.map((event) => event.digests.find(({ hashAlg }) => hashAlg === "sha256")?.digest ?? "");
    const extend = (register: Buffer, digest: string) =>
      createHash("sha256").update(register).update(digest, "hex").digest();
    return {
      names: events.map(({ content }) => content.string),
      volumeKey: digests.at(-1),
      register: digests.reduce(extend, Buffer.alloc(32)).toString("hex"),
    };
  }

  const said = ({ serial }: Evidence) =>
    serial.replaceAll("\r", "").match(new RegExp(`(cvm-storage: |${RUNS}).*`, "g"));

  describe("with a key in the TPM", () => {
    let image: string;
    let first: Evidence;

    beforeAll(async () => {
      image = await buildStorageImage(project, { profile: "tpm2", output: "first" });
      makeBlankDisk("disk");
      first = await run(image, { disks: { data: "disk" }, tpm: "tpm" });
    });

    /** Boots with copies of disk and TPM as the first boot has left them. */
    function runAgain(
      name: string,
      booted: string,
      { change, credential }: { change?: () => void; credential?: boolean } = {},
    ) {
      copyFileSync(at("disk"), at(name));
      cpSync(at("tpm"), at(`${name}-tpm`), { recursive: true });
      change?.();
      return run(booted, { disks: { data: name }, tpm: `${name}-tpm`, ...(credential && { credential }) });
    }

    it("is made at the first boot, as cryptsetup sees it", () => {
      expect(said(first)).toEqual([
        INSECURE,
        "cvm-storage: made a new file system on /dev/vdb, serial:data",
        expect.stringContaining(`${RUNS} 1 ${MOUNTED}`),
      ]);
      const dump = root!.run("usr/sbin/cryptsetup", ["luksDump", at("disk")]);
      expect(dump).toMatch(/cipher: aes-xts-plain64\n/);
      expect(dump).toMatch(/Keyslots:\n\s+1: luks2\n[^]*Tokens:\n\s+0: systemd-tpm2\n/);
      expect(dump).toMatch(/tpm2-hash-pcrs: +7\+12\+13\n/);
      expect(dump).not.toMatch(/\n\s+0: luks2\n/);
    });

    it.each(Object.keys(TAMPERINGS))("has a header that is refused with %s", (name) => {
      const program = new StorageProgram(root!, project, { key: "tpm2", integrity: false });
      const header = at("header");
      copyFileSync(at("disk"), header);
      expect(program.run(["check", header])).toEqual({ status: 0, output: "" });
      tamperLuksHeader(header, TAMPERINGS[name]!);
      expect(program.run(["check", header]).status).toBe(1);
    });

    it("has a header that is refused with a key that was sealed for the TPM from outside", () => {
      const program = new StorageProgram(root!, project, { key: "tpm2", integrity: false });
      const header = at("header");
      copyFileSync(at("disk"), header);
      tamperLuksHeader(header, ({ tokens }) => {
        const [token] = Object.values(tokens);
        const blob = Buffer.from(String(token!["tpm2-blob"]), "base64");
        token!["tpm2-blob"] = Buffer.concat([blob, Buffer.from([0, 1, 7])]).toString("base64");
      });
      expect(program.run(["check", header]).output).toBe("its key was not sealed in this TPM");
    });

    it("is opened again after a reboot, and is the same to a verifier", async () => {
      const second = await runAgain("again", image);
      expect(said(second)).toEqual([
        INSECURE,
        "cvm-storage: opened /dev/vdb, serial:data",
        expect.stringContaining(`${RUNS} 2 ${MOUNTED}`),
      ]);
      const made = identity(first);
      const opened = identity(second);
      const volume = expect.stringMatching(/^cryptsetup:cvm-data:/) as string;
      expect(made.names).toEqual([MACHINE, "cvm-storage:made", volume]);
      expect(opened.names).toEqual([MACHINE, volume]);
      expect(opened.volumeKey).toBe(made.volumeKey);
      expect([made.register, opened.register]).toEqual([first.pcrs.sha256?.[15], second.pcrs.sha256?.[15]]);
    });

    it("is opened by another image of the same signer", async () => {
      const settings = ["Content.KernelCommandLine=update"];
      const update = await buildStorageImage(project, { profile: "tpm2", output: "update", settings });
      const evidence = await runAgain("update-disk", update);
      expect(evidence.pcrs.sha256?.[11]).not.toBe(first.pcrs.sha256?.[11]);
      expect(said(evidence)).toEqual([
        INSECURE,
        expect.stringContaining("opened"),
        expect.stringContaining(`${RUNS} 2`),
      ]);
    });

    it("is refused to an image that was changed by somebody else", async () => {
      changeCommandLine(image, at("changed.efi"));
      expect(said(await runAgain("changed", at("changed.efi")))).toEqual([
        INSECURE,
        "cvm-storage: refused: /dev/vdb: the TPM does not give its key to this image, or the header is not its own",
      ]);
    });

    it("is refused where the host says that data is not encrypted", async () => {
      const tamper = () => tamperLuksHeader(at("tampered"), TAMPERINGS["data that is not encrypted"]!);
      expect(said(await runAgain("tampered", image, { change: tamper }))).toEqual([
        INSECURE,
        expect.stringMatching(
          /^cvm-storage: refused: \/dev\/vdb: its header .*: segments\/0\/encryption is "cipher_null-ecb"$/,
        ),
      ]);
    });

    it("is refused where the host has added something to the image", async () => {
      expect(said(await runAgain("added", image, { credential: true }))).toEqual([
        "cvm-storage: refused: /dev/vdb: PCR 12 is not zero, the host has added something to this image",
      ]);
    });
  });

  it("is refused where the host has switched Secure Boot off", async () => {
    const key = (name: string) => join(project, "keys", name);
    await cvmBuildJson(["keys", join(project, "keys"), "--variable-store", "/usr/share/OVMF/OVMF_VARS_4M.fd"]);
    const settings = [
      "Validation.SecureBoot=yes",
      `Validation.SecureBootKey=${key("db.key")}`,
      `Validation.SecureBootCertificate=${key("db.crt")}`,
    ];
    const image = await buildStorageImage(project, { profile: "tpm2", output: "signed", settings });
    makeBlankDisk("secure");
    const machine = { disks: { data: "secure" }, tpm: "secure-tpm" };
    expect(said(await run(image, { ...machine, variables: key("OVMF_VARS.fd") }))).toEqual([
      "cvm-storage: made a new file system on /dev/vdb, serial:data",
      expect.stringContaining(`${RUNS} 1 ${MOUNTED}`),
    ]);
    expect(said(await run(image, machine))).toEqual([
      INSECURE,
      "cvm-storage: refused: /dev/vdb: the TPM does not give its key to this image, or the header is not its own",
    ]);
  });

  describe("with a key that is brought at run time, and integrity", () => {
    it("is made on the only blank disk, refused to another key, and found again by its label", async () => {
      const [made, refused, opened] = await brought;
      expect(said(made!)).toEqual([
        "cvm-storage: made a new file system on /dev/vdb, label:vault",
        expect.stringContaining(`${RUNS} 1 ${MOUNTED}`),
      ]);
      const dump = root!.run("usr/sbin/cryptsetup", ["luksDump", at("vault")]);
      expect(dump).toMatch(/Label: +\tvault\n/);
      expect(dump).toMatch(/integrity: hmac\(sha256\)\n/);
      expect(said(refused!)).toEqual(["cvm-storage: refused: /dev/vdb: the key that was brought does not open it"]);
      expect(said(opened!)).toEqual([
        "cvm-storage: opened /dev/vdb, label:vault",
        expect.stringContaining(`${RUNS} 2`),
      ]);
    });
  });

  /** Boots one after the other with a key, another one, and the first again. */
  async function bootWithBroughtKeys(): Promise<Evidence[]> {
    const image = await buildStorageImage(project, { profile: "runtime", output: "runtime" });
    makeBlankDisk("vault");
    const evidence: Evidence[] = [];
    for (const key of ["a key", "other", "a key"]) {
      writeFileSync(at("key"), key.padEnd(64, "."));
      truncateSync(at("key"), 1 << 20);
      evidence.push(await run(image, { disks: { vault: "vault", key: "key" }, tpm: "runtime-tpm" }));
    }
    return evidence;
  }
});
