import { mkdirSync, mkdtempSync, rmSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { CvmError, sha256Hex } from "@cvm-build/bytes";
import { dumpTree, encodeTar, readContent, type TarInput } from "@cvm-build/fs-writer";
import type { ArtifactDeclaration, Profile } from "@cvm-build/profile";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { assembleRootfs, type FetchedPackage, type Rootfs } from "./assemble.ts";
import type { FetchedArtifact } from "./artifacts.ts";
import { CacheFixture } from "./cache.fixture.ts";
import { type DebInput, makeDeb, writeDeb, writePackage } from "./deb.fixture.ts";
import { profileFixture } from "./profile.fixture.ts";
import { readStub } from "./stub.ts";

let folder = "";
let count = 0;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "cvm-build-assemble-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface AssembleInput {
  debs?: DebInput[];
  packages?: FetchedPackage[];
  artifacts?: FetchedArtifact[];
  content?: Partial<Profile["content"]>;
  profile?: Partial<Profile>;
  workers?: number;
  cache?: CacheFixture;
}

async function assemble({
  debs = [],
  packages,
  artifacts = [],
  content,
  profile,
  workers = 1,
  cache,
}: AssembleInput): Promise<Rootfs> {
  const directory = join(folder, String(count++));
  const fetched = packages ?? debs.map((deb) => writeDeb(directory, deb));
  const input = { profile: profileFixture(content, profile), packages: fetched, artifacts };
  return assembleRootfs(input, { cache: cache ?? new CacheFixture(folder), workers });
}

/** What packages and artefacts brought, without what finishers made. */
function brought({ tree }: Rootfs): Record<string, string> {
  const dump = Object.entries(dumpTree(tree));
  return Object.fromEntries(dump.filter(([path]) => tree.get(path)?.origin.kind !== "finisher"));
}

describe("packages become a tree", () => {
  it("is merged-/usr, with links, devices, attributes and set-id bits as packed", async () => {
    const entries: TarInput[] = [
      { name: "./usr/bin/su", mode: 0o4755, bytes: Buffer.from("su") },
      { name: "./usr/bin/also-su", type: "link", linkname: "./usr/bin/su" },
      {
        name: "./usr/bin/ping",
        mode: 0o755,
        bytes: Buffer.from("p"),
        xattrs: new Map([["security.capability", Buffer.from([1])]]),
      },
      { name: "./dev/null", type: "char", mode: 0o666, devmajor: 1, devminor: 3 },
      { name: "./usr/lib/x", type: "symlink", linkname: "../share/x" },
      { name: "./var/mail/", type: "directory", mode: 0o2775, gid: 8 },
    ];
    const rootfs = await assemble({
      debs: [
        { name: "old", files: { "/bin/tool": "t", "/lib64/ld.so": "l", "/lib/a/b": "b" } },
        { name: "x", entries },
      ],
    });
    expect(brought(rootfs)).toEqual({
      "/dev/null": "char 0666 0:0 1:3",
      "/usr/bin/ping": "file 0755 0:0 1 148de9c5 +security.capability",
      "/usr/bin/su": "link /usr/bin/also-su",
      "/usr/bin/also-su": "file 4755 0:0 2 0a64ce10",
      "/usr/bin/tool": "file 0644 0:0 1 e3b98a4d",
      "/usr/lib/a/b": "file 0644 0:0 1 3e23e816",
      "/usr/lib/x": "symlink ../share/x",
      "/usr/lib64/ld.so": "file 0644 0:0 1 acac86c0",
      "/var/mail": "directory 2775 0:8",
    });
    expect(dumpTree(rootfs.tree)).toMatchObject({
      "/bin": "symlink usr/bin",
      "/lib64": "symlink usr/lib64",
      "/sbin": "symlink usr/sbin",
    });
    expect(rootfs.setuid).toEqual(["/usr/bin/also-su", "/usr/bin/su"]);
    expect(rootfs.packages).toEqual([
      { name: "old", version: "1", sizeBytes: 3, fileCount: 3 },
      { name: "x", version: "1", sizeBytes: 3, fileCount: 4 },
    ]);
    const tool = rootfs.tree.follow("/bin/tool");
    expect(tool?.kind === "file" && readContent(tool.content).toString()).toBe("t");
  });

  it("keeps links that stand for directories, and lets base-files say what a directory is", async () => {
    const rootfs = await assemble({
      debs: [
        {
          name: "a",
          files: { "/srv/x": "1" },
          entries: [
            { name: "./data", type: "symlink", linkname: "srv" },
            { name: "./srv/", type: "directory", mode: 0o700 },
          ],
        },
        { name: "b", files: { "/data/": "", "/data/y": "2" } },
        { name: "base-files", entries: [{ name: "./srv/", type: "directory", mode: 0o711 }] },
      ],
    });
    expect(brought(rootfs)).toMatchObject({
      "/data": "symlink srv",
      "/srv": "directory 0711 0:0",
      "/srv/y": "file 0644 0:0 1 d4735e3a",
    });
  });

  it.each<[string, DebInput[], string]>([
    [
      "two packages hold a file",
      [
        { name: "a", files: { "/x": "1" } },
        { name: "b", files: { "/x": "2" } },
      ],
      'cannot unpack "/x" of "b": expected no other package to hold it, got "a"',
    ],
    [
      "a file where another has a directory",
      [
        { name: "a", files: { "/x/y": "1" } },
        { name: "b", files: { "/x": "2" } },
      ],
      'cannot unpack "/x" of "b"',
    ],
    [
      "a directory where another has a file",
      [
        { name: "a", files: { "/x": "1" } },
        { name: "b", files: { "/x/y": "2" } },
      ],
      'expected "/x" to be a directory, got a file',
    ],
    ["a name that leads up", [{ name: "a", entries: [{ name: "./../x" }] }], 'cannot unpack "a"'],
    ["an absolute name", [{ name: "a", entries: [{ name: "/etc/x" }] }], "expected a relative entry name"],
    [
      "a link that leads out of the image",
      [{ name: "a", entries: [{ name: "./l", type: "symlink", linkname: "../../etc" }, { name: "./l/x" }] }],
      "expected symbolic links that stay inside the image",
    ],
    [
      "links that go round",
      [
        {
          name: "a",
          entries: [
            { name: "./l", type: "symlink", linkname: "m" },
            { name: "./m", type: "symlink", linkname: "l" },
            { name: "./l/x" },
          ],
        },
      ],
      "expected at most 40 symbolic links",
    ],
    [
      "a hard link to nothing",
      [{ name: "a", entries: [{ name: "./h", type: "link", linkname: "etc/shadow" }] }],
      'expected the hard link "/h" to lead to a file of the archive',
    ],
    [
      "several kernels",
      [
        { name: "k1", files: { "/boot/vmlinuz-1": "1" } },
        { name: "k2", files: { "/boot/vmlinuz-2": "2" } },
      ],
      "cannot pick the kernel: expected one image in /boot, got vmlinuz-1 of k1, vmlinuz-2 of k2",
    ],
  ])("refuses: %s", async (_, debs, message) => {
    await expect(assemble({ debs })).rejects.toThrow(message);
  });

  it("takes a file over under Replaces or where both are the same", async () => {
    const rootfs = await assemble({
      debs: [
        { name: "a", control: "Replaces: b (<< 2), c\n", files: { "/x": "1", "/same": "s" } },
        { name: "b", files: { "/x": "2", "/same": "s" } },
        { name: "c", files: { "/x": "3" } },
      ],
    });
    expect(brought(rootfs)["/x"]).toBe("file 0644 0:0 1 6b86b273");
    expect(rootfs.replacements).toEqual([
      { path: "/x", kept: "a", dropped: "b" },
      { path: "/x", kept: "a", dropped: "c" },
    ]);
  });

  it("leaves out documentation, packages and files that the profile does not want", async () => {
    const debs = [
      {
        name: "a",
        files: { "/usr/share/doc/a/copyright": "c", "/usr/share/man/man1/a.1": "m", "/usr/a": "1", "/usr/b": "2" },
      },
      { name: "libfoo1", files: { "/usr/lib/libfoo.so": "f" }, scripts: { postinst: "#!/bin/sh\nfrobnicate\n" } },
    ];
    const rootfs = await assemble({ debs, content: { removePackages: ["libfoo*"], removeFiles: ["/usr/a"] } });
    expect(brought(rootfs)).toEqual({ "/usr/b": "file 0644 0:0 1 d4735e3a" });
    expect(rootfs.scripts).toEqual([]);
    expect(Object.keys(brought(await assemble({ debs, content: { withDocs: true } })))).toContain(
      "/usr/share/doc/a/copyright",
    );
  });

  it("picks the kernel before RemoveFiles= takes it away", async () => {
    const debs = [{ name: "linux", files: { "/boot/vmlinuz-6.1": "MZ", "/boot/config-6.1": "CONFIG_A=y\n" } }];
    const rootfs = await assemble({ debs, content: { removeFiles: ["/boot/*"] } });
    expect(rootfs.kernel).toMatchObject({
      release: "6.1",
      package: "linux",
      image: { sizeBytes: 2 },
      config: { sizeBytes: 11 },
    });
    expect(rootfs.tree.list("/boot")).toEqual([]);
  });

  it("reports scripts that it did not run", async () => {
    const rootfs = await assemble({
      debs: [{ name: "a", scripts: { postinst: "#!/bin/sh\nldconfig\nfrobnicate\n" } }],
    });
    expect(rootfs.scripts).toMatchObject([
      {
        package: "a",
        script: "postinst",
        class: "not-handled",
        lines: [
          { class: "handled", by: "linker-cache" },
          { line: 3, text: "frobnicate" },
        ],
      },
    ]);
  });
});

describe("damaged packages", () => {
  it("names the package, the file and both digests where the bytes are not the locked ones", async () => {
    const deb = writeDeb(join(folder, "wrong"), { name: "a" });
    const locked = { ...deb.locked, sha256: sha256Hex("other") };
    const error: unknown = await assemble({ packages: [{ ...deb, locked }] }).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(CvmError);
    expect(error).toMatchObject({ code: "package", details: { package: "a", file: deb.path } });
    expect((error as CvmError).message).toContain(
      `cannot unpack "a": in file: expected SHA-256 ${sha256Hex("other")}, got ${deb.locked.sha256}`,
    );
  });

  it("finds a truncated file", async () => {
    const deb = writeDeb(join(folder, "short"), { name: "a", files: { "/x": "1" } });
    truncateSync(deb.path, deb.locked.sizeBytes - 100);
    await expect(assemble({ packages: [deb] })).rejects.toThrow('cannot unpack "a"');
  });

  it("leaves nothing behind in the cache and succeeds once the file is right", async () => {
    using cache = new CacheFixture();
    const bad = writePackage(join(folder, "bad"), { name: "a", bytes: Buffer.from("no") });
    await expect(assemble({ packages: [bad], cache })).rejects.toThrow();
    expect(cache.commits).toBe(0);
    await assemble({ debs: [{ name: "a", files: { "/x": "1" } }], cache });
    expect(cache.commits).toBe(1);
  });
});

describe("the same inputs", () => {
  it("are unpacked once, and give the same tree with any number of threads and in any order", async () => {
    using cache = new CacheFixture();
    const debs = ["a", "b", "c", "d"].map((name) => ({ name, files: { [`/usr/${name}`]: name, "/usr/same": "s" } }));
    const directory = join(folder, "same");
    const packages = debs.map((deb) => writeDeb(directory, deb));
    const first = await assemble({ packages, cache });
    expect(cache.commits).toBe(4);
    const second = await assemble({ packages, cache });
    expect(cache.commits).toBe(4);
    const third = await assemble({ packages: packages.toReversed(), workers: 3 });
    expect(dumpTree(second.tree)).toEqual(dumpTree(first.tree));
    expect(dumpTree(third.tree)).toEqual(dumpTree(first.tree));
    expect(third.tree.get("/usr/same")?.origin).toEqual({ kind: "package", name: "a" });
  });
});

describe("large packages", () => {
  const noise = (seed: string): string =>
    Array.from({ length: 12_000 }, (_, index) => sha256Hex(`${seed}${index}`)).join("");

  it("are decoded in threads, largest first, with progress; an error comes back as it was", async () => {
    const debs = [
      { name: "small", files: { "/s": "1" } },
      { name: "large", files: { "/l": noise("l") } },
      { name: "middle", files: { "/m": noise("m").slice(0, 200_000) } },
    ];
    const packages = debs.map((deb) => writeDeb(join(folder, "large"), deb));
    using cache = new CacheFixture();
    const events: (string | undefined)[] = [];
    const report = ({ item, done, total }: { item?: string; done: number; total?: number }) => {
      events.push(done === total ? `${item} and all` : item);
    };
    const input = { profile: profileFixture(), packages, artifacts: [] };
    const rootfs = await assembleRootfs(input, { cache, workers: 1, report });
    expect(events).toEqual(["large", "middle", "small and all"]);
    expect(rootfs.packages.map(({ sizeBytes }) => sizeBytes)).toEqual([768_000, 200_000, 1]);
    const bad = { ...packages[1]!, locked: { ...packages[1]!.locked, sha256: sha256Hex("x") } };
    await expect(assemble({ packages: [bad] })).rejects.toThrow('cannot unpack "large": in file: expected SHA-256');
  });
});

describe("artefacts", () => {
  const declare = (
    name: string,
    source: ArtifactDeclaration["source"],
    files: ArtifactDeclaration["files"],
  ): ArtifactDeclaration => ({
    name,
    position: { file: `${name}.yaml` },
    source,
    files,
  });
  const fetched = (name: string, kind: FetchedArtifact["locked"]["kind"], bytes: Buffer): FetchedArtifact => {
    const path = join(folder, `artifact-${name}`);
    writeFileSync(path, bytes);
    return { path, locked: { name, kind, from: name, sha256: sha256Hex(bytes) } };
  };
  const tarball = gzipSync(
    encodeTar([
      { name: "package/bin/tool", bytes: Buffer.from("tool") },
      { name: "package/README", bytes: Buffer.from("r") },
    ]),
  );
  const npm = { kind: "npm", package: "p", version: "1", integrity: "sha512-x" } as const;

  it("places a plain file, a file of an npm package, and a bare .deb with its scripts", async () => {
    const profile = {
      artifacts: [
        declare("plain", { kind: "path", path: "x" }, [{ to: "/bin/plain", mode: 0o755 }]),
        declare("tool", npm, [
          { from: "bin/tool", to: "/usr/bin/tool", mode: 0o755 },
          { from: "package/README", to: "/usr/r", mode: 0o644 },
        ]),
        declare("bare", { kind: "deb", url: "u", sha256: "s" }, []),
      ],
    };
    const deb = makeDeb({
      name: "bare-package",
      version: "2",
      files: { "/usr/bare": "b" },
      scripts: { postinst: "#!/bin/sh\nldconfig\n" },
    });
    const artifacts = [
      fetched("plain", "path", Buffer.from("p")),
      fetched("tool", "npm", tarball),
      fetched("bare", "deb", deb),
    ];
    const rootfs = await assemble({ artifacts, profile });
    expect(brought(rootfs)).toEqual({
      "/usr/bare": "file 0644 0:0 1 3e23e816",
      "/usr/bin/plain": "file 0755 0:0 1 148de9c5",
      "/usr/bin/tool": "file 0755 0:0 4 7c9bbe5e",
      "/usr/r": "file 0644 0:0 1 454349e4",
    });
    expect(rootfs.tree.get("/usr/bin/tool")?.origin).toEqual({ kind: "artifact", name: "tool" });
    expect(rootfs.scripts).toMatchObject([{ package: "bare-package", class: "handled" }]);
    expect(rootfs.packages).toEqual([{ name: "bare", version: "2", sizeBytes: 1, fileCount: 1 }]);
  });

  it.each<[string, ArtifactDeclaration["files"], Buffer, string]>([
    [
      "a path that the archive lacks",
      [{ from: "tool", to: "/x", mode: 0o755 }],
      tarball,
      'cannot pick "tool" from artifact "tool": expected a file of the archive',
    ],
    [
      "a file that is no archive",
      [{ from: "x", to: "/x", mode: 0o755 }],
      Buffer.from("MZ"),
      'cannot unpack artifact "tool": expected a tar archive',
    ],
  ])("refuses %s", async (_, files, bytes, message) => {
    const profile = { artifacts: [declare("tool", npm, files)] };
    await expect(assemble({ artifacts: [fetched("tool", "npm", bytes)], profile })).rejects.toThrow(message);
  });

  it("refuses an artefact of another profile's lock", async () => {
    await expect(assemble({ artifacts: [fetched("x", "path", Buffer.from(""))] })).rejects.toThrow(
      'cannot place artifact "x"',
    );
  });
});

describe("extra trees", () => {
  it("lie over packages, root's, with permissions that no umask changes", async () => {
    const source = join(folder, "extra");
    mkdirSync(join(source, "etc/deep"), { recursive: true, mode: 0o700 });
    writeFileSync(join(source, "etc/conf"), "mine", { mode: 0o600 });
    mkdirSync(join(source, "bin"));
    writeFileSync(join(source, "bin/run"), "#!", { mode: 0o700 });
    symlinkSync("conf", join(source, "etc/link"));
    const archive = join(folder, "extra.tar.gz");
    writeFileSync(
      archive,
      gzipSync(encodeTar([{ name: "f", mode: 0o640, uid: 1000, gid: 1000, bytes: Buffer.from("f") }])),
    );
    const debs = [
      {
        name: "a",
        files: { "/etc/conf": "theirs" },
        entries: [{ name: "./etc/", type: "directory" as const, mode: 0o750 }],
      },
    ];
    const extraTrees = [
      { source, target: "/" },
      { source: archive, target: "/opt/x" },
    ];
    const rootfs = await assemble({ debs, content: { extraTrees } });
    const extra = Object.fromEntries(Object.entries(brought(rootfs)).filter(([path]) => !path.includes(".wants")));
    expect(extra).toEqual({
      "/etc": "directory 0750 0:0",
      "/etc/conf": `file 0644 0:0 4 ${sha256Hex("mine").slice(0, 8)}`,
      "/etc/deep": "directory 0755 0:0",
      "/etc/link": "symlink conf",
      "/opt/x/f": "file 0640 0:0 1 252f10c8",
      "/usr/bin/run": `file 0755 0:0 2 ${sha256Hex("#!").slice(0, 8)}`,
    });
    expect(rootfs.tree.get("/etc/conf")).toMatchObject({
      mtimeSec: 1_757_635_200,
      origin: { kind: "extra", name: source },
    });
  });

  it("refuses a file where a package has a directory", async () => {
    const source = join(folder, "extra-conflict");
    mkdirSync(source);
    writeFileSync(join(source, "usr"), "");
    const debs = [{ name: "a", files: { "/usr/x": "" } }];
    await expect(assemble({ debs, content: { extraTrees: [{ source, target: "/" }] } })).rejects.toThrow(
      'cannot add "/usr"',
    );
  });
});

describe("an extra tree that is not there", () => {
  it("is named", async () => {
    const extraTrees = [{ source: join(folder, "missing"), target: "/" }];
    await expect(assemble({ content: { extraTrees } })).rejects.toThrow(/cannot add extra tree ".*missing"/);
  });
});

describe("readStub", () => {
  const path = "/usr/lib/systemd/boot/efi/linuxx64.efi.stub";
  it("takes the stub of the package's architecture", async () => {
    using cache = new CacheFixture();
    const deb = writeDeb(join(folder, "stub"), { name: "systemd-boot-efi", version: "257", files: { [path]: "MZ" } });
    const stub = await readStub(deb, { cache, workers: 1, kind: "linux" });
    expect(stub).toMatchObject({ path, version: "257" });
    expect(readContent(stub.content).toString()).toBe("MZ");
    const arm = { ...deb, locked: { ...deb.locked, architecture: "arm64" } };
    await expect(readStub(arm, { cache, workers: 1, kind: "linux" })).rejects.toThrow(
      "expected /usr/lib/systemd/boot/efi/linuxaa64.efi.stub in it",
    );
  });
});
