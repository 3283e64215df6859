import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { LockedPackage, LockedRepository } from "@cvm-build/resolver";
import { sha256Hex } from "@cvm-build/bytes";
import { describe, expect, it } from "vitest";
import { serve } from "../download/server.fixture.ts";
import { StoreError } from "../errors.ts";
import { filesIn, makeTestFolder, NOBODY, openTestStore } from "../store.fixture.ts";
import type { LockedPackages } from "./packages.ts";

const DEB = Buffer.from("!<arch>\nnot really");
const PATH = "pool/main/h/hello/hello_1.0+b1-1_amd64.deb";

const REPOSITORY: LockedRepository = {
  suite: "trixie",
  components: ["main"],
  archive: "main",
  inReleaseSha256: sha256Hex("release"),
  date: "2026-11-19T08:00:00Z",
  signedBy: [],
};

const SECURITY: LockedRepository = { ...REPOSITORY, suite: "trixie-security", archive: "security" };

function lockOf(other: Partial<LockedPackage> = {}): LockedPackages {
  return {
    distribution: { id: "debian", release: "trixie", architecture: "amd64" },
    repositories: [REPOSITORY, SECURITY],
    packages: [
      {
        name: "hello",
        version: "1.0+b1-1",
        architecture: "amd64",
        role: "image",
        repository: "trixie",
        path: PATH,
        sizeBytes: DEB.length,
        sha256: sha256Hex(DEB),
        source: { name: "hello", version: "1.0-1" },
        requestedBy: ["profile"],
        ...other,
      },
    ],
  };
}

const FILES = new Map([[`/debian/${PATH}`, DEB]]);

describe("the packages of a lock", () => {
  it("are fetched from the mirror that the profile names", async () => {
    using folder = makeTestFolder();
    await using server = await serve(FILES);
    const store = openTestStore(folder.path);
    const place = { mirror: `${server.url}/debian/`, baseDirectory: folder.path };
    const paths = await store.fetchPackages(lockOf(), place);
    expect([...paths]).toEqual([[sha256Hex(DEB), store.objectPath(sha256Hex(DEB))]]);
    expect(readFileSync([...paths.values()][0] as string).equals(DEB)).toBe(true);
    await store.fetchPackages(lockOf(), place);
    expect(server.requests).toEqual([`GET /debian/${PATH}`]);
  });

  it("come from the store alone when it has them", async () => {
    using folder = makeTestFolder();
    await using server = await serve(FILES);
    const place = { mirror: `${server.url}/debian`, baseDirectory: folder.path };
    const cold = openTestStore(folder.path, { offline: true });
    await expect(cold.fetchPackages(lockOf(), place)).rejects.toMatchObject({
      code: "offline",
      message: expect.stringContaining('cannot fetch package "hello=1.0+b1-1"'),
    });
    await openTestStore(folder.path).fetchPackages(lockOf(), place);
    const warm = openTestStore(folder.path, { offline: true });
    expect((await warm.fetchPackages(lockOf(), place)).size).toBe(1);
  });

  it("are fetched anew where the store's are damaged", async () => {
    using folder = makeTestFolder();
    await using server = await serve(FILES);
    const store = openTestStore(folder.path);
    const place = { mirror: `${server.url}/debian`, baseDirectory: folder.path };
    await store.fetchPackages(lockOf(), place);
    const path = store.objectPath(sha256Hex(DEB));
    writeFileSync(path, DEB.subarray(1));
    await store.fetchPackages(lockOf(), place);
    writeFileSync(path, Buffer.alloc(DEB.length));
    expect(await store.verify([sha256Hex(DEB)])).toEqual([sha256Hex(DEB)]);
    await store.fetchPackages(lockOf(), place);
    expect(readFileSync(path).equals(DEB)).toBe(true);
    expect(server.requests).toHaveLength(3);
  });

  it("are asked of the security archive where they are from there", async () => {
    using folder = makeTestFolder();
    await using server = await serve(new Map([[`/sec/${PATH}`, DEB]]));
    const store = openTestStore(folder.path);
    await store.fetchPackages(lockOf({ repository: "trixie-security" }), {
      mirror: `${server.url}/main`,
      securityMirror: `${server.url}/sec`,
      baseDirectory: folder.path,
    });
    expect(server.requests).toEqual([`GET /sec/${PATH}`]);
  });

  it("are asked of the profile's mirror, the host's, the public archive, then the timestamped one", async () => {
    using folder = makeTestFolder();
    await using server = await serve(new Map([[`/old/archive/debian/20261119T080000Z/${PATH}`, DEB]]));
    const aptDirectory = join(folder.path, "apt");
    mkdirSync(aptDirectory);
    writeFileSync(join(aptDirectory, "sources.list"), `deb ${server.url}/host bookworm main\n`);
    const archives = { main: `${server.url}/public`, security: NOBODY, snapshot: `${server.url}/old` };
    const store = openTestStore(folder.path, { aptDirectory, archives });
    await store.fetchPackages(lockOf(), { mirror: `${server.url}/own`, baseDirectory: folder.path });
    expect(server.requests.map((line) => line.replace(`/${PATH}`, ""))).toEqual([
      "GET /own",
      "GET /host",
      "GET /public",
      "GET /old/archive/debian/20261119T140000Z",
      "GET /old/archive/debian/20261119T080000Z",
    ]);
  });

  it("are asked of mirrors before the timestamped archive that the profile names", async () => {
    using folder = makeTestFolder();
    await using server = await serve(new Map([[`/old/archive/debian/20260528T084923Z/${PATH}`, DEB]]));
    const archives = { main: `${server.url}/public`, security: NOBODY, snapshot: `${server.url}/old` };
    const store = openTestStore(folder.path, { archives });
    await store.fetchPackages(lockOf(), { snapshot: "20260528T084923Z", baseDirectory: folder.path });
    expect(server.requests.map((line) => line.replace(`/${PATH}`, ""))).toEqual([
      "GET /public",
      "GET /old/archive/debian/20260528T084923Z",
    ]);
  });

  it("may be bare, by address or path", async () => {
    using folder = makeTestFolder();
    await using server = await serve(new Map([["/reth.deb", DEB]]));
    writeFileSync(join(folder.path, "reth.deb"), DEB);
    for (const repository of [`${server.url}/reth.deb`, "./reth.deb", join(folder.path, "reth.deb")]) {
      using cache = makeTestFolder();
      const store = openTestStore(cache.path);
      const paths = await store.fetchPackages(lockOf({ repository, path: "" }), { baseDirectory: folder.path });
      expect([...paths.keys()]).toEqual([sha256Hex(DEB)]);
    }
    expect(server.requests).toEqual(["GET /reth.deb"]);
  });
});

describe("a locked package that has left the archive", () => {
  it("is said to be gone, with what replaced it and what to do", async () => {
    using folder = makeTestFolder();
    await using server = await serve(new Map());
    const store = openTestStore(folder.path);
    const error = await store
      .fetchPackages(lockOf(), {
        mirror: server.url,
        baseDirectory: folder.path,
        replacedBy: (name) => (name === "hello" ? "1.1-1" : undefined),
      })
      .catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(StoreError);
    expect(error).toMatchObject({
      code: "package-gone",
      hint: expect.stringMatching(/^the archive now has hello 1\.1-1: run `cvm-build lock --update`/),
      details: { package: "hello", version: "1.0+b1-1", replacedBy: "1.1-1" },
    });
    expect((error as Error).message).toBe(
      'cannot fetch package "hello=1.0+b1-1": expected hello_1.0+b1-1_amd64.deb on a mirror or in the timestamped archive, ' +
        `got HTTP 404 from ${new URL(server.url).host}, ECONNREFUSED from 127.0.0.1:2`,
    );
  });

  it("is not said to be gone where nobody could be asked", async () => {
    using folder = makeTestFolder();
    const place = { mirror: NOBODY, baseDirectory: folder.path };
    await expect(openTestStore(folder.path).fetchPackages(lockOf(), place)).rejects.toMatchObject({
      code: "unreachable",
    });
  });

  it("is not said to be gone where a mirror has other bytes", async () => {
    using folder = makeTestFolder();
    await using server = await serve(new Map([[`/debian/${PATH}`, Buffer.alloc(DEB.length)]]));
    const place = { mirror: `${server.url}/debian`, baseDirectory: folder.path };
    await expect(openTestStore(folder.path).fetchPackages(lockOf(), place)).rejects.toMatchObject({
      code: "digest-mismatch",
      message: expect.stringContaining(`expected SHA-256 ${sha256Hex(DEB)}, got SHA-256`),
    });
    expect(filesIn(folder.path, "objects")).toEqual([]);
  });

  it("is not looked for outside of the archive", async () => {
    using folder = makeTestFolder();
    const place = { mirror: NOBODY, baseDirectory: folder.path };
    for (const path of ["../../etc/shadow", "/etc/shadow", "pool//x", ""]) {
      const fetched = async () => openTestStore(folder.path).fetchPackages(lockOf({ path }), place);
      await expect(fetched(), path).rejects.toMatchObject({ code: "malformed" });
    }
  });
});
