import { generateKeyPairSync } from "node:crypto";
import { cpSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openFileSource, sha256Hex } from "@cvm-build/bytes";
import { type FileTree, readContent, readCpioTree } from "@cvm-build/fs-writer";
import { boot, findTools, type ImageBoot, probeHost, type RunningBoot } from "@cvm-build/vm";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { cvmBuildJson, REPOSITORY } from "../support/cli.ts";
import { freePort } from "../support/free-port.ts";
import { requirePeers } from "../support/peers.ts";
import { callRpc, eventually } from "./rpc.ts";
import { type GuestFacts, KERNEL_SETTINGS, makeStandInReth, PORTS } from "./stand-in-reth.ts";

/**
 * The image that operators run, with a stand-in for reth's release, which is given as they would give a file that they have
 * fetched themselves: with `--artifact`.
 */
describe.skipIf(!requirePeers("qemu-system-x86_64", "swtpm"))("the image of profile reth-node", () => {
  let project: string;
  let image: string;

  beforeAll(async () => {
    project = mkdtempSync(join(tmpdir(), "cvm-reth-node-"));
    cpSync(join(REPOSITORY, "profiles"), join(project, "profiles"), { recursive: true, verbatimSymlinks: true });
    const profile = join(project, "profiles/reth-node");
    // The lock names the real release, and packages that mirrors may have dropped.
    rmSync(join(profile, "cvm.lock"));
    const reth = makeStandInReth();
    writeFileSync(join(project, "reth.deb"), reth);
    writeFileSync(
      join(profile, "artifacts/reth.yaml"),
      `deb: https://reth.example.org/reth.deb\nsha256: ${sha256Hex(reth)}\n`,
    );
    image = await build();
  });

  async function build(settings: string[] = []): Promise<string> {
    const artifact = `reth=${join(project, "reth.deb")}`;
    const set = settings.flatMap((setting) => ["--set", setting]);
    const args = ["build", "--profile", "reth-node", "--artifact", artifact, ...set];
    return (await cvmBuildJson<{ directory: string }>(args, { cwd: project })).directory;
  }

  let ports = new Map<number, number>();
  const hostPort = (guestPort: number) => ports.get(guestPort)!;

  async function start(imagePath: string, options: Pick<ImageBoot, "disks"> = {}): Promise<RunningBoot> {
    ports = new Map();
    for (const guestPort of Object.values(PORTS)) ports.set(guestPort, await freePort());
    const tools = await findTools({ searchPath: process.env["PATH"] ?? "" });
    return boot({
      tools,
      host: await probeHost(tools, { temporaryDirectory: tmpdir() }),
      imagePath,
      memoryMiB: 1024,
      // Linux now and then dies of its own code patching on two emulated processors of QEMU before 10.
      cpus: 1,
      network: { forwards: [...ports.keys()].map((guestPort) => ({ guestPort, hostPort: hostPort(guestPort) })) },
      serial: "piped",
      temporaryDirectory: tmpdir(),
      ...options,
    });
  }

  async function askFacts(): Promise<GuestFacts> {
    const blockNumber = () => callRpc(hostPort(PORTS.rpc), "eth_blockNumber", { timeoutMs: 3000 });
    expect(await eventually(blockNumber, { what: "an answer on 8545", timeoutSec: 240 })).toBe("0x2a");
    return (await callRpc(hostPort(PORTS.rpc), "standin_facts", { timeoutMs: 60_000 })) as GuestFacts;
  }

  afterAll(() => rmSync(project, { recursive: true, force: true }));

  describe("holds", () => {
    let tree: FileTree;

    beforeAll(() => {
      using initrd = openFileSource(join(image, "reth-node.initrd"));
      tree = readCpioTree(initrd, { origin: { kind: "extra", name: "initrd" } });
    });

    const paths = () => [...tree.entries()].map(([path]) => path);
    const programs = (directory: string) =>
      tree.list(directory).filter((name) => tree.get(`${directory}/${name}`)?.kind === "file");

    it("no account that can log in", () => {
      const shadow = tree.follow("/etc/shadow");
      if (shadow?.kind !== "file") throw new Error("no /etc/shadow");
      expect(shadow.mode & 0o007).toBe(0);
      const accounts = readContent(shadow.content).toString().trimEnd().split("\n");
      expect(accounts.map((line) => line.split(":")[0])).toContain("root");
      expect(accounts.filter((line) => !/^[^:]+:[!*]/.test(line))).toEqual([]);
    });

    it("no set-id file and no capability", () => {
      const nodes = [...tree.entries()].filter(([, node]) => node.kind === "file");
      expect(nodes.filter(([, { mode }]) => (mode & 0o6000) !== 0).map(([path]) => path)).toEqual([]);
      expect(nodes.filter(([, { xattrs }]) => xattrs?.has("security.capability"))).toEqual([]);
    });

    it("these programs and no others, one shell among them", () => {
      expect(programs("/usr/bin")).toEqual([
        ...["busybox", "kmod", "reth", "systemctl"],
        ...["systemd-cryptenroll", "systemd-cryptsetup", "systemd-tmpfiles", "udevadm"],
      ]);
      expect(programs("/usr/sbin")).toEqual(["cryptsetup", "e2fsck", "mke2fs", "nft"]);
      expect(programs("/usr/lib/systemd/system-generators")).toEqual(["systemd-tpm2-generator"]);
    });

    it("no package manager, interpreter, documentation, locale, ssh server or login prompt", () => {
      const unwanted = [
        /\/(dpkg|apt|debconf|perl5?|python3?)(\/|$)/,
        /^\/usr\/share\/(doc|man|info|locale|i18n|common-licenses|zoneinfo)\/./,
        /^\/usr\/lib\/(locale|[^/]*-linux-gnu\/(gconv|perl))/,
        /ssh|dropbear/,
        /getty|sulogin|pam_unix|\/su$|\/login$/,
      ];
      const masked = new Set(["/etc/systemd/system/getty-static.service", "/etc/systemd/system/getty@tty1.service"]);
      for (const path of masked) expect(tree.get(path)).toMatchObject({ kind: "symlink", target: "/dev/null" });
      expect(paths().filter((path) => !masked.has(path) && unwanted.some((pattern) => pattern.test(path)))).toEqual([]);
    });

    it("no secret of the engine API", () => {
      expect(paths().filter((path) => /jwt\.hex|engine-jwt\/./.test(path))).toEqual([]);
    });
  });

  describe("booted", () => {
    let machine: RunningBoot;
    let facts: GuestFacts;

    beforeAll(async () => {
      machine = await start(join(image, "reth-node.efi"));
      facts = await askFacts();
    });

    afterAll(() => machine?.[Symbol.asyncDispose]());

    it("runs the node as its own user, without capabilities, in a sandbox", () => {
      expect(facts).toMatchObject({ user: "reth ", groups: "reth engine-jwt ", liberties: "" });
      expect(facts.status.replaceAll(/\s+/g, " ").trim()).toBe(
        `CapEff: ${"0".repeat(16)} CapBnd: ${"0".repeat(16)} CapAmb: ${"0".repeat(16)} NoNewPrivs: 1 Seccomp: 2`,
      );
    });

    it("gives it a secret that was made at this boot, and that others cannot read", () => {
      expect(facts).toMatchObject({ secretAttributes: "640 engine-jwt engine-jwt ", secretLines: "1 " });
      expect(facts.arguments).toContain(" --authrpc.jwtsecret=/run/engine-jwt/jwt.hex ");
    });

    it("keeps its data in memory where it has no disk, in a directory of its own", () => {
      // Read-only is the sandbox's view; the service's own directory is what it may write to.
      expect(facts.dataMount).toMatch(/^tmpfs \/var\/lib\/ethereum tmpfs r[ow],nosuid,nodev,noexec,/);
      expect(facts.dataAttributes).toBe("750 reth reth ");
    });

    it.each([PORTS.engine, PORTS.metrics])("answers on %i inside, and not outside", async (port) => {
      expect(facts.answersInside.split(" ")).toContain(String(port));
      await expect(callRpc(hostPort(port), "eth_blockNumber", { timeoutMs: 3000 })).rejects.toThrow();
    });

    it("listens for names on loopback, and else only where the stand-in does", () => {
      const everywhere = Object.values(PORTS).map((port) => `${"0".repeat(32)}:${port}`);
      expect(facts.listening.trim().split(" ").toSorted()).toEqual(
        ["3500007F:53", "3600007F:53", ...everywhere].toSorted(),
      );
    });

    it("does not show the node the firewall's rules", () => {
      expect(facts.nft).toContain("Operation not permitted");
    });

    it("has a hardened kernel", () => {
      const values = facts.kernelSettings.trim().split(" ");
      expect(Object.fromEntries(KERNEL_SETTINGS.map((name, index) => [name, values[index]]))).toEqual({
        "kernel/dmesg_restrict": "1",
        "kernel/io_uring_disabled": "2",
        "kernel/kptr_restrict": "2",
        "kernel/unprivileged_bpf_disabled": "1",
        "kernel/yama/ptrace_scope": "2",
        "net/ipv4/conf/default/rp_filter": "1",
      });
    });

    it("starts every unit, and shows no prompt to whoever types on the serial line", async () => {
      machine.type("\r\nroot\r\nid\r\n\u0003");
      expect(await callRpc(hostPort(PORTS.rpc), "eth_blockNumber", { timeoutMs: 10_000 })).toBe("0x2a");
      expect(machine.serialText()).not.toMatch(/login:|password|uid=|\/ #|sulogin|emergency|maintenance/i);
      expect(machine.serialText()).not.toMatch(/FAILED|DEPEND|Failed to start/);
    });
  });

  describe("with a disk", () => {
    const disk = () => ({ path: join(project, "disk"), serial: "ethereum" });

    beforeAll(() => {
      writeFileSync(disk().path, "");
      truncateSync(disk().path, 128 << 20);
    });

    it("does not start the node where the image's signer cannot open it", async () => {
      await using machine = await start(join(image, "reth-node.efi"), { disks: [disk()] });
      await machine.waitForSerial("cvm-storage: refused: /dev/vdb: this image carries no signed policy for PCR 11", {
        timeoutSec: 240,
      });
      await machine.waitForSerial("Dependency failed for", { timeoutSec: 60 });
      await expect(callRpc(hostPort(PORTS.rpc), "eth_blockNumber", { timeoutMs: 3000 })).rejects.toThrow();
    });

    it("keeps its data on it, encrypted", async () => {
      const key = join(project, "pcr.pem");
      const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
      writeFileSync(key, privateKey.export({ type: "pkcs8", format: "pem" }), { mode: 0o600 });
      const policies = { SignExpectedPcr: "yes", SignExpectedPcrKey: key };
      const signed = await build(Object.entries(policies).map(([name, value]) => `Validation.${name}=${value}`));
      await using machine = await start(join(signed, "reth-node.efi"), { disks: [disk()] });
      const facts = await askFacts();
      expect(facts.dataMount).toMatch(/^\/dev\/mapper\/cvm-data \/var\/lib\/ethereum ext4 r[ow],nosuid,nodev,noexec,/);
      expect(facts.dataAttributes).toBe("750 reth reth ");
      expect(facts.liberties).toBe("");
      expect(machine.serialText()).toContain("cvm-storage: made a new file system on /dev/vdb, serial:ethereum");
      expect(machine.serialText()).not.toMatch(/FAILED|DEPEND|Failed to start/);
    });
  });
});
