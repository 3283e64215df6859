import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Sha256Hex, sha256Hex } from "@cvm-build/bytes";
import type { LockedArtifact } from "@cvm-build/resolver";
import { describe, expect, it } from "vitest";
import type { DeclaredArtifact } from "./artifacts.ts";
import { serve, type TestServer } from "./download/server.fixture.ts";
import { makeTestFolder, NOBODY, openTestStore } from "./store.fixture.ts";

const TARBALL = Buffer.from("not really a tarball");
const INTEGRITY = `sha512-${createHash("sha512").update(TARBALL).digest("base64")}`;
const OTHER_INTEGRITY = `sha512-${createHash("sha512").update("other").digest("base64")}`;

/** A registry with `@foundry-rs/anvil@1.7.1`; its metadata names a host that nobody reaches, as behind a mirror. */
function registryFiles({ integrity = INTEGRITY, tarball = TARBALL } = {}): Map<string, Buffer> {
  const versions = {
    "1.7.0": { dist: { tarball: `${NOBODY}/old.tgz`, integrity: OTHER_INTEGRITY } },
    "1.7.1": { dist: { tarball: `${NOBODY}/@foundry-rs/anvil/-/anvil-1.7.1.tgz`, integrity } },
  };
  return new Map([
    ["/npm/@foundry-rs/anvil", Buffer.from(JSON.stringify({ versions }))],
    ["/npm/@foundry-rs/anvil/-/anvil-1.7.1.tgz", tarball],
  ]);
}

const ANVIL = {
  name: "anvil",
  source: { kind: "npm", package: "@foundry-rs/anvil", version: "1.7.1", integrity: INTEGRITY },
} as const satisfies DeclaredArtifact;

const LOCKED_ANVIL: LockedArtifact = {
  name: "anvil",
  kind: "npm",
  from: "@foundry-rs/anvil@1.7.1",
  sha256: sha256Hex(TARBALL),
};

function storeWith(directory: string, server: TestServer, options: Parameters<typeof openTestStore>[1] = {}) {
  return openTestStore(join(directory, "store"), {
    environment: { npm_config_registry: `${server.url}/npm/` },
    ...options,
  });
}

describe("an npm package", () => {
  it("is found through the registry, checked by its integrity, and locked by its SHA-256", async () => {
    using folder = makeTestFolder();
    await using server = await serve(registryFiles());
    const store = storeWith(folder.path, server);
    expect(await store.resolveArtifact(ANVIL, { baseDirectory: folder.path })).toEqual(LOCKED_ANVIL);
    expect(store.read(sha256Hex(TARBALL)).equals(TARBALL)).toBe(true);
    expect(server.requests).toEqual(["GET /npm/@foundry-rs/anvil", "GET /npm/@foundry-rs/anvil/-/anvil-1.7.1.tgz"]);
  });

  it("is not asked for again, and needs no network when the store has it", async () => {
    using folder = makeTestFolder();
    await using server = await serve(registryFiles());
    await storeWith(folder.path, server).resolveArtifact(ANVIL, { baseDirectory: folder.path });
    const offline = storeWith(folder.path, server, { offline: true });
    expect(await offline.resolveArtifact(ANVIL, { baseDirectory: folder.path })).toEqual(LOCKED_ANVIL);
    const overrides = new Map<string, string>();
    const paths = await offline.fetchArtifacts([LOCKED_ANVIL], { baseDirectory: folder.path, overrides });
    expect([...paths.keys()]).toEqual([LOCKED_ANVIL.sha256]);
    expect(server.requests).toHaveLength(2);
  });

  it("is fetched anew where the store's is damaged", async () => {
    using folder = makeTestFolder();
    await using server = await serve(registryFiles());
    const store = storeWith(folder.path, server);
    await store.resolveArtifact(ANVIL, { baseDirectory: folder.path });
    writeFileSync(store.objectPath(LOCKED_ANVIL.sha256), Buffer.alloc(TARBALL.length));
    expect(await store.resolveArtifact(ANVIL, { baseDirectory: folder.path })).toEqual(LOCKED_ANVIL);
    expect(store.read(LOCKED_ANVIL.sha256).equals(TARBALL)).toBe(true);
  });

  it("is fetched by its lock", async () => {
    using folder = makeTestFolder();
    await using server = await serve(registryFiles());
    const overrides = new Map<string, string>();
    const store = storeWith(folder.path, server);
    const paths = await store.fetchArtifacts([LOCKED_ANVIL], { baseDirectory: folder.path, overrides });
    expect([...paths]).toEqual([[LOCKED_ANVIL.sha256, store.objectPath(LOCKED_ANVIL.sha256)]]);
  });

  it("may be supplied as a file, by the same digest", async () => {
    using folder = makeTestFolder();
    await using server = await serve(new Map());
    writeFileSync(join(folder.path, "own.tgz"), TARBALL);
    writeFileSync(join(folder.path, "wrong.tgz"), "wrong");
    const store = storeWith(folder.path, server, { offline: true });
    const place = (override: string) => ({ baseDirectory: folder.path, override });
    await expect(store.resolveArtifact(ANVIL, place("wrong.tgz"))).rejects.toMatchObject({ code: "digest-mismatch" });
    expect(await store.resolveArtifact(ANVIL, place("own.tgz"))).toEqual(LOCKED_ANVIL);
    expect(server.requests).toEqual([]);
  });

  it.each([
    [
      "other bytes",
      registryFiles({ tarball: Buffer.from("something else") }),
      "digest-mismatch",
      /SHA-512 .* got SHA-512/,
    ],
    [
      "another integrity",
      registryFiles({ integrity: OTHER_INTEGRITY }),
      "digest-mismatch",
      /expected .*@1\.7\.1 with integrity/,
    ],
    ["no metadata", new Map(), "not-found", /cannot fetch artifact "anvil".*HTTP 404/],
    [
      "nonsense",
      new Map([["/npm/@foundry-rs/anvil", Buffer.from("<html>")]]),
      "malformed",
      /expected npm package metadata/,
    ],
    ["null", new Map([["/npm/@foundry-rs/anvil", Buffer.from("null")]]), "malformed", /expected npm package metadata/],
    [
      "no such version",
      new Map([["/npm/@foundry-rs/anvil", Buffer.from('{"versions":{"2.0.0":{}}}')]]),
      "not-found",
      /to have @foundry-rs\/anvil@1\.7\.1, got 1 other versions/,
    ],
  ])("of which the registry has %s is refused", async (_, files, code, message) => {
    using folder = makeTestFolder();
    await using server = await serve(files);
    const error = await storeWith(folder.path, server)
      .resolveArtifact(ANVIL, { baseDirectory: folder.path })
      .catch((caught: unknown) => caught);
    expect(error).toMatchObject({ code });
    expect((error as Error).message).toMatch(message);
    if (code !== "malformed") expect(error).toMatchObject({ hint: expect.stringContaining("--artifact anvil=PATH") });
  });

  it.each([
    { integrity: "sha1-AAAA" },
    { integrity: "sha512-short" },
    { version: "latest" },
    { version: "^1.0.0" },
    { package: "../../etc" },
    { package: "a b" },
  ])("with %j does not identify its bytes", async (other) => {
    using folder = makeTestFolder();
    const store = openTestStore(folder.path);
    const declaration = { name: "anvil", source: { ...ANVIL.source, ...other } };
    await expect(store.resolveArtifact(declaration, { baseDirectory: folder.path })).rejects.toMatchObject({
      code: "artifact",
    });
  });
});

describe("an artefact by address", () => {
  const declaration = (url: string, sha256: string = sha256Hex(TARBALL)): DeclaredArtifact => ({
    name: "reth",
    source: { kind: "deb", url, sha256 },
  });

  it("is locked by its declared digest, in reach or not", async () => {
    using folder = makeTestFolder();
    const url = `${NOBODY}/reth.deb`;
    const locked = await openTestStore(folder.path).resolveArtifact(declaration(url), { baseDirectory: folder.path });
    expect(locked).toEqual({ name: "reth", kind: "deb", from: url, sha256: sha256Hex(TARBALL) });
  });

  it("is fetched by its digest", async () => {
    using folder = makeTestFolder();
    await using server = await serve(new Map([["/reth.deb", TARBALL]]));
    const store = openTestStore(folder.path);
    const place = { baseDirectory: folder.path };
    const locked = await store.resolveArtifact(declaration(`${server.url}/reth.deb`), place);
    const found = await store.fetchArtifacts([locked], { ...place, overrides: new Map() });
    expect(readFileSync(found.get(sha256Hex(TARBALL)) ?? "")).toEqual(TARBALL);
  });

  it("that nobody reaches is named with its address, digest and what to do", async () => {
    using folder = makeTestFolder();
    const store = openTestStore(folder.path);
    const url = `${NOBODY}/reth.deb`;
    const place = { baseDirectory: folder.path };
    const locked = await store.resolveArtifact(declaration(url), place);
    await expect(store.fetchArtifacts([locked], { ...place, overrides: new Map() })).rejects.toMatchObject({
      code: "unreachable",
      message: `cannot fetch artifact "reth": expected an address that has SHA-256 ${sha256Hex(TARBALL)}, got ECONNREFUSED (${url})`,
      hint: `fetch ${url} by other means and supply it with --artifact reth=PATH; its digest decides`,
    });
  });

  it("may be supplied as a file, by the same digest", async () => {
    using folder = makeTestFolder();
    writeFileSync(join(folder.path, "own.deb"), TARBALL);
    const store = openTestStore(join(folder.path, "store"));
    const place = { baseDirectory: folder.path };
    const overrides = new Map([["reth", "own.deb"]]);
    const locked = await store.resolveArtifact(declaration(`${NOBODY}/reth.deb`), place);
    expect((await store.fetchArtifacts([locked], { ...place, overrides })).has(sha256Hex(TARBALL))).toBe(true);
    const other = { ...locked, sha256: sha256Hex("other") };
    await expect(store.fetchArtifacts([other], { ...place, overrides })).rejects.toMatchObject({
      code: "digest-mismatch",
    });
  });

  it("may be supplied for a lock, by the locked digest", async () => {
    using folder = makeTestFolder();
    writeFileSync(join(folder.path, "own.deb"), TARBALL);
    const store = openTestStore(join(folder.path, "store"));
    const locked = (sha256: Sha256Hex): LockedArtifact => ({
      name: "reth",
      kind: "deb",
      from: `${NOBODY}/reth.deb`,
      sha256,
    });
    const place = { baseDirectory: folder.path, overrides: new Map([["reth", "own.deb"]]) };
    expect((await store.fetchArtifacts([locked(sha256Hex(TARBALL))], place)).size).toBe(1);
    const wrong = store.fetchArtifacts([locked(sha256Hex("other"))], place);
    await expect(wrong).rejects.toMatchObject({ code: "digest-mismatch" });
  });

  it("must state a digest", async () => {
    using folder = makeTestFolder();
    const store = openTestStore(folder.path);
    for (const sha256 of ["", "abc", sha256Hex(TARBALL).toUpperCase()]) {
      const resolved = store.resolveArtifact(declaration(NOBODY, sha256), { baseDirectory: folder.path });
      await expect(resolved).rejects.toMatchObject({ code: "artifact" });
    }
  });
});

describe("an artefact by path", () => {
  const declaration: DeclaredArtifact = { name: "tool", source: { kind: "path", path: "./tool" } };

  it("is taken into the store and locked as it is", async () => {
    using folder = makeTestFolder();
    writeFileSync(join(folder.path, "tool"), "v1");
    const store = openTestStore(join(folder.path, "store"), { offline: true });
    const locked = await store.resolveArtifact(declaration, { baseDirectory: folder.path });
    expect(locked).toEqual({ name: "tool", kind: "path", from: "./tool", sha256: sha256Hex("v1") });
    expect(store.read(locked.sha256).toString()).toBe("v1");
  });

  it("that has changed since it was locked is not used", async () => {
    using folder = makeTestFolder();
    writeFileSync(join(folder.path, "tool"), "v1");
    const locked = await openTestStore(join(folder.path, "a")).resolveArtifact(declaration, {
      baseDirectory: folder.path,
    });
    writeFileSync(join(folder.path, "tool"), "v2");
    const fetched = openTestStore(join(folder.path, "b")).fetchArtifacts([locked], {
      baseDirectory: folder.path,
      overrides: new Map(),
    });
    await expect(fetched).rejects.toMatchObject({
      code: "digest-mismatch",
      hint: expect.stringContaining("tool=PATH"),
    });
  });

  it("that is missing is named with its path", async () => {
    using folder = makeTestFolder();
    const store = openTestStore(join(folder.path, "store"));
    await expect(store.resolveArtifact(declaration, { baseDirectory: folder.path })).rejects.toMatchObject({
      code: "not-found",
      message: 'cannot read artifact "tool": expected a file at ./tool, got ENOENT',
    });
  });
});
