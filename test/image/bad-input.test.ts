import { execFileSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { BuildReport } from "@cvm-build/image";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { cvmBuild, cvmBuildJson, REPOSITORY, TEST_STORE } from "../support/cli.ts";

const isRoot = process.getuid?.() === 0;

interface ErrorDocument {
  error: { code: string; message: string; hint?: string; exitCode: number; details: Record<string, unknown> };
}

/** What users get wrong, and what the world does to them: each gives its error, and leaves store and image sound. */
describe("bad input", () => {
  let project: string;
  let lock: string;

  beforeAll(async () => {
    project = mkdtempSync(join(tmpdir(), "cvm-bad-"));
    cpSync(join(REPOSITORY, "profiles"), join(project, "profiles"), { recursive: true, verbatimSymlinks: true });
    lock = join(project, "minimal.lock");
    await cvmBuildJson(["lock", "--profile", "minimal", "--output", lock], { cwd: project });
    await cvmBuildJson(["build", "--profile", "minimal", "--lock", lock], { cwd: project });
  });

  afterAll(async () => {
    rmSync(project, { recursive: true, force: true });
    const { exitCode, stdout } = await cvmBuild(["cache", "verify"]);
    expect(stdout).toMatch(/ 0 damaged/);
    expect(exitCode).toBe(0);
  });

  async function failure(args: readonly string[], options: Parameters<typeof cvmBuild>[1] = {}) {
    const result = await cvmBuild([...args, "--json"], { cwd: project, ...options });
    expect(result.stderr).toContain("error:");
    const { error } = JSON.parse(result.stdout) as ErrorDocument;
    expect(error.exitCode).toBe(result.exitCode);
    return error;
  }

  function profile(name: string, text: string): void {
    mkdirSync(join(project, "profiles", name), { recursive: true });
    writeFileSync(join(project, "profiles", name, "cvm.conf"), `[Include]\nInclude=../base/cvm.conf\n\n${text}`);
  }

  it("names the line of a typo and what was meant", async () => {
    profile("typo", "[Output]\nImageId=typo\n\n[Content]\nPakages=systemd\n");
    const error = await failure(["build", "--profile", "typo"]);
    expect(error).toMatchObject({ exitCode: 2, code: "profile-unknown-setting" });
    expect(error.message + error.hint).toMatch(/profiles\/typo\/cvm\.conf:8/);
    expect(error.message + error.hint).toMatch(/Packages/);
  });

  it("names an unknown profile's neighbours", async () => {
    const error = await failure(["build", "--profile", "minmal"]);
    expect(error).toMatchObject({ exitCode: 2, code: "profile-unknown-profile" });
    expect(error.message + error.hint).toContain("minimal");
  });

  it("says which package does not exist, and what comes near", async () => {
    profile("missing", "[Output]\nImageId=missing\n[Content]\nPackages=systemd-resolvd\n");
    const error = await failure(["build", "--profile", "missing"]);
    expect(error).toMatchObject({ exitCode: 3, code: "no-such-package" });
    expect(error.message + error.hint).toContain("systemd-resolved");
  });

  it("explains who needs what where dependencies cannot be met", async () => {
    profile("conflict", "[Output]\nImageId=conflict\n[Content]\nPackages=sysvinit-core\n");
    const error = await failure(["build", "--profile", "conflict"]);
    expect(error).toMatchObject({ exitCode: 3, code: "unsatisfiable" });
    expect(error.message + error.hint).toContain("sysvinit-core");
    expect(error.message + error.hint).toContain("systemd-sysv");
  });

  it("refuses an artefact with another digest than declared", async () => {
    profile("digest", "[Output]\nImageId=digest\n");
    mkdirSync(join(project, "profiles/digest/artifacts"));
    writeFileSync(
      join(project, "profiles/digest/artifacts/anvil.yaml"),
      readFileSync(join(project, "profiles/dev/artifacts/anvil.yaml"), "utf8").replace(
        /sha512-.{8}/,
        "sha512-AAAAAAAA",
      ),
    );
    const error = await failure(["build", "--profile", "digest"]);
    expect(error).toMatchObject({ exitCode: 3, code: "digest-mismatch" });
    expect(error.message).toContain("anvil");
  });

  it("refuses a file that stands in for an artefact and has other bytes", async () => {
    writeFileSync(join(project, "reth.deb"), "not reth");
    const error = await failure(["build", "--profile", "reth-node", "--artifact", "reth=reth.deb"]);
    expect(error).toMatchObject({ exitCode: 3, code: "digest-mismatch" });
    expect(error.message + error.hint).toContain("66f1460040aabd30bbc4c4b0bfe098da0fb009d7f42fc24e23be5404c5f8f26c");
  });

  it("says of an artefact out of reach which it is, from where, and how to supply it", async () => {
    const sha256 = "66f1460040aabd30bbc4c4b0bfe098da0fb009d7f42fc24e23be5404c5f8f26c";
    profile("unreachable", "[Output]\nImageId=unreachable\n");
    mkdirSync(join(project, "profiles/unreachable/artifacts"));
    writeFileSync(
      join(project, "profiles/unreachable/artifacts/reth.yaml"),
      `deb: http://127.0.0.1:9/reth.deb\nsha256: ${sha256}\n`,
    );
    const error = await failure(["build", "--profile", "unreachable"]);
    expect(error).toMatchObject({ exitCode: 3, code: "unreachable" });
    for (const part of ['"reth"', "http://127.0.0.1:9/reth.deb", sha256]) expect(error.message).toContain(part);
    expect(error.hint).toContain("--artifact reth=PATH");
  });

  it("refuses a stale lock and says how to refresh it", async () => {
    profile("stale", "[Output]\nImageId=stale\n[Content]\nPackages=hostname\n");
    const error = await failure(["build", "--profile", "stale", "--lock", lock]);
    expect(error).toMatchObject({ exitCode: 3, code: "lock-stale" });
    expect(error.hint).toContain("cvm-build lock --profile stale");
  });

  it.each([
    ["zstd", "1.0.0"],
    ["segmentFormat", 99],
    ["erofsFormat", 99],
  ])("refuses a lock that was made with another %s", async (tool, version) => {
    const other = join(project, "other-tools.lock");
    const text = JSON.parse(readFileSync(lock, "utf8")) as { tools: object };
    writeFileSync(other, JSON.stringify({ ...text, tools: { ...text.tools, [tool]: version } }));
    const error = await failure(["build", "--profile", "minimal", "--lock", other, "--force"]);
    expect(error).toMatchObject({ exitCode: 3, code: "tool-version" });
    expect(error.message).toContain(tool);
  });

  it("refuses to resolve when it must not", async () => {
    profile("unlocked", "[Output]\nImageId=unlocked\n");
    const error = await failure(["build", "--profile", "unlocked", "--locked"]);
    expect(error).toMatchObject({ exitCode: 3, code: "lock-missing" });
  });

  it("says that there is no network, and works without one from a warm store", async () => {
    const cold = mkdtempSync(join(project, "cold-"));
    const error = await failure(["build", "--profile", "minimal", "--lock", lock, "--offline", "--force"], {
      store: cold,
    });
    expect(error).toMatchObject({ exitCode: 3, code: "offline" });
    await cvmBuildJson(["build", "--profile", "minimal", "--lock", lock, "--offline", "--force"], { cwd: project });
  });

  it("says which mirror does not answer", async () => {
    const cold = mkdtempSync(join(project, "cold-"));
    const error = await failure(
      [
        ...["lock", "--profile", "minimal", "--output", join(cold, "lock")],
        ...["--set", "Distribution.Mirror=http://127.0.0.1:9/debian"],
      ],
      { store: cold },
    );
    expect(error).toMatchObject({ exitCode: 3, code: "unreachable" });
    expect(error.message + error.hint).toContain("127.0.0.1:9");
  });

  it("takes the right bytes from another mirror where one serves wrong ones: the digest decides", async () => {
    const served: string[] = [];
    const mirror = createServer((request, response) => {
      served.push(request.url ?? "");
      response.end("no package");
    }).listen(0, "127.0.0.1");
    await new Promise((resolve) => mirror.once("listening", resolve));
    const address = `http://127.0.0.1:${(mirror.address() as AddressInfo).port}/debian`;
    const before = readFileSync(join(project, "build/minimal/minimal.efi"));
    const mirrors = ["Mirror", "SecurityMirror"].flatMap((name) => ["--set", `Distribution.${name}=${address}`]);
    await cvmBuildJson(["build", "--profile", "minimal", "--lock", lock, "--force", ...mirrors], {
      cwd: project,
      store: mkdtempSync(join(project, "lied-to-")),
    });
    mirror.close();
    expect(served.some((path) => path.includes("/systemd_"))).toBe(true);
    expect(readFileSync(join(project, "build/minimal/minimal.efi")).equals(before)).toBe(true);
  });

  it.each([
    ["digest", "digest-mismatch", (entry: { sha256: string }) => (entry.sha256 = "0".repeat(64))],
    ["size", "size-mismatch", (entry: { sizeBytes: number }) => (entry.sizeBytes += 1)],
  ])("refuses a package of another %s than locked, wherever it comes from", async (_, code, spoil) => {
    const document = JSON.parse(readFileSync(lock, "utf8")) as {
      packages: Parameters<typeof spoil>[0][] & { name: string }[];
    };
    for (const entry of document.packages) if (entry.name === "busybox") spoil(entry as never);
    const spoilt = join(project, `${code}.lock`);
    writeFileSync(spoilt, JSON.stringify(document));
    const store = mkdtempSync(join(project, "spoilt-"));
    const error = await failure(["build", "--profile", "minimal", "--lock", spoilt, "--force"], { store });
    expect(error).toMatchObject({ exitCode: 3, code });
    expect(error.message).toContain("busybox=");
  });

  it("names a truncated .deb, and what is wrong with it", async () => {
    const [first] = storedPackages(lock);
    const whole = first?.bytes ?? Buffer.alloc(0);
    writeFileSync(join(project, "cut.deb"), whole.subarray(0, whole.length >> 1));
    profile("truncated", "[Output]\nImageId=truncated\n[Content]\nPackages=../../cut.deb\n");
    const error = await failure(["build", "--profile", "truncated"]);
    expect(error).toMatchObject({ exitCode: 3, code: "package" });
    expect(error.message).toContain("cut.deb");
  });

  it("resolves a package that is given as a file, with what it depends on", async () => {
    const nftables = await downloadPackage("nftables", project);
    profile("local", `[Output]\nImageId=local\n[Content]\nPackages=../../${nftables}\n`);
    const { manifest } = await cvmBuildJson<BuildReport>(["build", "--profile", "local"], { cwd: project });
    const found = manifest.packages.filter(({ name }) => ["nftables", "libnftables1"].includes(name));
    expect(found.map(({ name, repository }) => [name, repository])).toEqual([
      ["libnftables1", "trixie"],
      ["nftables", nftables],
    ]);
  });

  it("resolves packages that lie in a directory as those of the archive, and locks them by path", async () => {
    const nftables = await downloadPackage("nftables", project);
    mkdirSync(join(project, "debs"));
    cpSync(join(project, nftables), join(project, "debs", nftables));
    profile("directory", "[Output]\nImageId=directory\n[Content]\nPackageDirectories=../../debs\nPackages=nftables\n");
    const { manifest } = await cvmBuildJson<BuildReport>(["build", "--profile", "directory"], { cwd: project });
    const found = manifest.packages.find(({ name }) => name === "nftables");
    expect(found?.repository).toBe(`debs/${nftables}`);
    rmSync(join(project, "debs", nftables));
    const error = await failure(["build", "--profile", "directory", "--locked"]);
    expect(error).toMatchObject({ exitCode: 3, code: "lock-missing" });
  });

  it("refuses an archive whose InRelease was changed", async () => {
    const inRelease = await fetchInRelease();
    const mirror = createServer((request, response) => {
      if (!request.url?.endsWith("/dists/trixie/InRelease")) response.writeHead(404).end();
      else response.end(inRelease.replace(/^Label: .*$/m, "Label: Debiam"));
    }).listen(0, "127.0.0.1");
    await new Promise((resolve) => mirror.once("listening", resolve));
    const address = `http://127.0.0.1:${(mirror.address() as AddressInfo).port}/debian`;
    const error = await failure([
      ...["lock", "--profile", "minimal", "--output", join(project, "unsigned.lock")],
      ...["--set", `Distribution.Mirror=${address}`],
    ]);
    mirror.close();
    expect(error).toMatchObject({ exitCode: 3, code: "signature" });
    expect(existsSync(join(project, "unsigned.lock"))).toBe(false);
  });

  it("is not fooled by a damaged store: the damaged package is fetched again", async () => {
    const store = join(project, "damaged");
    cpSync(TEST_STORE, store, { recursive: true });
    const [first] = storedPackages(lock, store);
    if (!first) throw new Error("the lock names packages");
    writeFileSync(first.file, flip(first.bytes));
    rmSync(join(store, "derived"), { recursive: true, force: true });
    const before = readFileSync(join(project, "build/minimal/minimal.efi"));
    await cvmBuildJson(["build", "--profile", "minimal", "--lock", lock, "--force"], { cwd: project, store });
    expect(readFileSync(join(project, "build/minimal/minimal.efi")).equals(before)).toBe(true);
  });

  it("goes on where a prune takes away what it was about to read", async () => {
    const store = join(project, "pruned");
    cpSync(TEST_STORE, store, { recursive: true });
    const before = readFileSync(join(project, "build/minimal/minimal.efi"));
    await cvmBuildJson(["build", "--profile", "minimal", "--lock", lock, "--force"], {
      cwd: project,
      store,
      onSpawn: () => setTimeout(() => rmSync(join(store, "derived/payload"), { recursive: true, force: true }), 500),
    });
    expect(readFileSync(join(project, "build/minimal/minimal.efi")).equals(before)).toBe(true);
  });

  it.skipIf(!isRoot)("says that the disk is full, and keeps the image that was there", async () => {
    const small = join(project, "small");
    mkdirSync(small);
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=30m", "tmpfs", small]);
    try {
      const output = await failure([
        ...["build", "--profile", "minimal", "--lock", lock],
        ...["--set", `Output.OutputDirectory=${small}`],
      ]);
      expect(output).toMatchObject({ code: "disk-full" });
      const store = await failure(["build", "--profile", "minimal", "--lock", lock, "--force"], {
        store: join(small, "store"),
      });
      expect(store).toMatchObject({ exitCode: 3, code: "disk-full" });
    } finally {
      execFileSync("umount", [small]);
    }
    expect(existsSync(join(project, "build/minimal/minimal.efi"))).toBe(true);
  });

  it("is right again after kill -9 at any moment of a build", async () => {
    const reference = readFileSync(join(project, "build/minimal/minimal.efi"));
    const store = join(project, "killed");
    for (const delayMs of [200, 500, 900, 1400, 2000]) {
      const { exitCode } = await cvmBuild(["build", "--profile", "minimal", "--lock", lock, "--force", "--quiet"], {
        cwd: project,
        store,
        onSpawn: (kill) => setTimeout(() => kill("SIGKILL"), delayMs),
      });
      if (exitCode === 0) break;
      expect(readFileSync(join(project, "build/minimal/minimal.efi")).equals(reference)).toBe(true);
    }
    await cvmBuildJson(["build", "--profile", "minimal", "--lock", lock, "--force"], { cwd: project, store });
    expect(readFileSync(join(project, "build/minimal/minimal.efi")).equals(reference)).toBe(true);
    expect(readdirSync(join(project, "build/.minimal")).filter((name) => /^\d+-/.test(name))).toHaveLength(1);
    const { stdout } = await cvmBuild(["cache", "verify"], { store });
    expect(stdout).toMatch(/ 0 damaged/);
  });
});

/** Fetches a package of trixie into a folder, through a lock, and gives its file name. */
async function downloadPackage(name: string, project: string): Promise<string> {
  const path = join(project, "profiles", "download");
  mkdirSync(path, { recursive: true });
  writeFileSync(
    join(path, "cvm.conf"),
    `[Include]\nInclude=../base/cvm.conf\n[Output]\nImageId=download\n[Content]\nPackages=${name}\n`,
  );
  const { directory } = await cvmBuildJson<BuildReport>(["build", "--profile", "download"], { cwd: project });
  const stored = storedPackages(join(directory, "cvm.lock")).find((each) => each.path.includes(`/${name}_`));
  writeFileSync(join(project, `${name}.deb`), stored?.bytes ?? "");
  return `${name}.deb`;
}

/** What the first mirror of the host's apt has for trixie, as the store finds it. */
async function fetchInRelease(): Promise<string> {
  const sources = execFileSync("apt-get", ["indextargets", "--format", "$(REPO_URI)"], { encoding: "utf8" });
  const base = sources.split("\n").find((uri) => uri.endsWith("/debian/"));
  if (!base) throw new Error("apt knows a Debian mirror");
  return (await fetch(`${base}dists/trixie/InRelease`)).text();
}

/** The packages of a lock as the store has them. */
function storedPackages(lock: string, store = TEST_STORE): { path: string; file: string; bytes: Buffer }[] {
  const { packages } = JSON.parse(readFileSync(lock, "utf8")) as { packages: { path: string; sha256: string }[] };
  return packages.map(({ path, sha256 }) => {
    const file = join(store, "objects", sha256.slice(0, 2), sha256.slice(2));
    return { path, file, bytes: readFileSync(file) };
  });
}

function flip(bytes: Buffer): Buffer {
  const flipped = Buffer.from(bytes);
  flipped[flipped.length >> 1] = (flipped[flipped.length >> 1] ?? 0) ^ 1;
  return flipped;
}
