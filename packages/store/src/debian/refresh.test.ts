import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { serve } from "../download/server.fixture.ts";
import { filesIn, makeTestFolder, NOBODY, NOW, openTestStore } from "../store.fixture.ts";
import {
  type MadeKey,
  type MadeSuite,
  makeArchive,
  makeKey,
  makeSuite,
  sha256,
  signRelease,
} from "./archive.fixture.ts";
import type { RepositoryRequest } from "./repository.ts";

const GOOD: MadeSuite = {
  suite: "trixie",
  packages: [{ name: "hello", version: "1.0-1", bytes: Buffer.from("not really a package") }],
  date: "Thu, 19 Nov 2026 08:00:00 UTC",
  validUntil: "Thu, 26 Nov 2026 08:00:00 UTC",
};

let key: MadeKey;
let stranger: MadeKey;

beforeAll(async () => {
  [key, stranger] = await Promise.all([makeKey("archive"), makeKey("stranger")]);
});

/** What comes of refreshing from an archive of `files`: the snapshot or the error, and what was asked of the server. */
async function refresh(
  files: ReadonlyMap<string, Buffer>,
  { request, now, defaultSuites }: { request?: Partial<RepositoryRequest>; now?: Date; defaultSuites?: boolean } = {},
) {
  using folder = makeTestFolder();
  await using server = await serve(files);
  const keyring = join(folder.path, "archive.asc");
  writeFileSync(keyring, key.armored);
  const store = openTestStore(join(folder.path, "store"), now === undefined ? {} : { now: () => now });
  const outcome = await store
    .refresh({
      distribution: "debian",
      release: "trixie",
      architecture: "amd64",
      components: ["main"],
      ...(defaultSuites !== true && { suites: ["trixie"] }),
      mirror: server.url,
      keyrings: [keyring],
      ...request,
    })
    .catch((error: unknown) => error);
  return { outcome, requests: server.requests };
}

describe("a good archive", () => {
  it("is read from its signature down", async () => {
    const files = await makeArchive(GOOD, key);
    const { outcome, requests } = await refresh(files);
    const repository = {
      suite: "trixie",
      components: ["main"],
      archive: "main",
      inReleaseSha256: sha256(files.get("/dists/trixie/InRelease") as Buffer),
      date: "2026-11-19T08:00:00Z",
      signedBy: [key.fingerprint],
    };
    expect(outcome).toMatchObject({ repositories: [repository], indexes: [{ repository, component: "main" }] });
    const { indexes } = outcome as { indexes: { packages: Buffer }[] };
    expect(indexes[0]?.packages.toString()).toContain("Package: hello\nVersion: 1.0-1\n");
    expect(requests).toEqual(["GET /dists/trixie/InRelease", "GET /dists/trixie/main/binary-amd64/Packages.xz"]);
  });

  it.each([
    [[".gz"] as const, "Packages.gz"],
    [[""] as const, "Packages"],
    [[".gz", ".xz"] as const, "Packages.xz"],
  ])("may compress its index as %j", async (compressions, fetched) => {
    const { outcome, requests } = await refresh(await makeArchive({ ...GOOD, compressions: [...compressions] }, key));
    expect(outcome).toMatchObject({ indexes: [{ component: "main" }] });
    expect(requests.at(-1)).toBe(`GET /dists/trixie/main/binary-amd64/${fetched}`);
  });

  it("is asked by hash where it says so, and by name where its mirror does not carry that", async () => {
    const byHash = await makeArchive({ ...GOOD, byHash: true }, key);
    const { outcome, requests } = await refresh(byHash);
    expect(outcome).toMatchObject({ indexes: [{ component: "main" }] });
    expect(requests.at(-1)).toMatch(/by-hash\/SHA256\/[0-9a-f]{64}$/);

    const byName = new Map([...byHash].filter(([path]) => !path.includes("by-hash")));
    const fallback = await refresh(byName);
    expect(fallback.outcome).toMatchObject({ indexes: [{ component: "main" }] });
    expect(fallback.requests.at(-1)).toBe("GET /dists/trixie/main/binary-amd64/Packages.xz");
  });

  it("may list a form of the index that its mirror does not carry", async () => {
    const files = await makeArchive({ ...GOOD, compressions: [".xz", ".gz"] }, key);
    files.delete("/dists/trixie/main/binary-amd64/Packages.xz");
    expect((await refresh(files)).outcome).toMatchObject({ indexes: [{ component: "main" }] });
  });

  it("is enough where another mirror of the host cannot be asked for that form either", async () => {
    using folder = makeTestFolder();
    writeFileSync(join(folder.path, "archive.asc"), key.armored);
    const files = await makeArchive({ ...GOOD, compressions: [".xz", ".gz"] }, key);
    files.delete("/dists/trixie/main/binary-amd64/Packages.xz");
    await using server = await serve(files);
    mkdirSync(join(folder.path, "apt"));
    writeFileSync(join(folder.path, "apt/sources.list"), `deb ${server.url} trixie main\n`);
    const store = openTestStore(join(folder.path, "store"), { aptDirectory: join(folder.path, "apt") });
    const request = { distribution: "debian", release: "trixie", architecture: "amd64" } as const;
    const keyrings = [join(folder.path, "archive.asc")];
    const refreshed = store.refresh({ ...request, components: ["main"], suites: ["trixie"], keyrings });
    await expect(refreshed).resolves.toMatchObject({ indexes: [{ component: "main" }] });
  });

  it("gives an index for each component", async () => {
    const files = await makeArchive({ ...GOOD, components: ["main", "contrib"] }, key);
    const { outcome } = await refresh(files, { request: { components: ["main", "contrib"] } });
    expect(outcome).toMatchObject({ indexes: [{ component: "main" }, { component: "contrib" }] });
  });

  it("has updates and a security archive of its own, unless it is a rolling release", async () => {
    const suite = (name: string) => makeArchive({ ...GOOD, suite: name }, key);
    const files = new Map([...(await suite("trixie")), ...(await suite("trixie-updates")), ...(await suite("sid"))]);
    for (const [path, bytes] of await suite("trixie-security")) files.set(`/security${path}`, bytes);
    await using server = await serve(files);
    const mirrors = { mirror: server.url, securityMirror: `${server.url}/security` };
    const ofTrixie = await refresh(files, { request: mirrors, defaultSuites: true });
    const archives = { trixie: "main", "trixie-updates": "main", "trixie-security": "security" };
    expect(ofTrixie.outcome).toMatchObject({
      repositories: Object.entries(archives).map(([name, archive]) => ({ suite: name, archive })),
    });
    const ofSid = await refresh(files, { request: { ...mirrors, release: "sid" }, defaultSuites: true });
    expect(ofSid.outcome).toMatchObject({ repositories: [{ suite: "sid" }] });
  });

  it("may be without an end, as a stable release is", async () => {
    const { validUntil: _, ...endless } = GOOD;
    const outcome = await refresh(await makeArchive(endless, key), { now: new Date("2030-01-01T00:00:00Z") });
    expect(outcome.outcome).toMatchObject({ repositories: [{ suite: "trixie" }] });
  });

  it("may be a folder of this machine", async () => {
    using folder = makeTestFolder();
    for (const [path, bytes] of await makeArchive(GOOD, key)) {
      mkdirSync(join(folder.path, path, ".."), { recursive: true });
      writeFileSync(join(folder.path, path), bytes);
    }
    const { outcome, requests } = await refresh(new Map(), { request: { mirror: folder.path } });
    expect(outcome).toMatchObject({ indexes: [{ component: "main" }] });
    expect(requests).toEqual([]);
  });
});

describe("a bad archive", () => {
  const rejects = async (outcome: unknown, code: string, message: RegExp) => {
    expect(outcome).toBeInstanceOf(Error);
    expect(outcome).toMatchObject({ code });
    expect((outcome as Error).message).toMatch(message);
  };

  it("whose time is over is refused", async () => {
    const { outcome } = await refresh(await makeArchive(GOOD, key), { now: new Date("2026-11-26T08:00:01Z") });
    await rejects(outcome, "expired", /valid now \(2026-11-26T08:00:01Z\), got one valid until 2026-11-26T08:00:00Z$/);
  });

  it("from the future is refused", async () => {
    const { outcome } = await refresh(await makeArchive(GOOD, key), { now: new Date("2026-11-19T07:59:00Z") });
    await rejects(outcome, "not-yet-valid", /expected a date before now/);
  });

  it("that was signed later than now is refused", async () => {
    const { files, release } = makeSuite({ ...GOOD, date: "Sun, 01 Nov 2026 00:00:00 UTC" });
    files.set(
      "/dists/trixie/InRelease",
      Buffer.from(await signRelease(release, key, new Date("2026-11-30T00:00:00Z"))),
    );
    await rejects((await refresh(files)).outcome, "signature", /good signature by a trusted key/);
  });

  it("that a stranger signed is refused, by name of the key", async () => {
    const { outcome } = await refresh(await makeArchive(GOOD, stranger));
    const id = stranger.fingerprint.slice(-16);
    await rejects(
      outcome,
      "signature",
      new RegExp(`expected a good signature by a trusted key, got signatures by ${id}`),
    );
  });

  it("that a key signed which has expired since is refused, but for a timestamped archive", async () => {
    const short = await makeKey("short", { days: 310 });
    using folder = makeTestFolder();
    const keyring = join(folder.path, "short.asc");
    writeFileSync(keyring, short.armored);
    const files = await makeArchive(GOOD, short);
    const { outcome } = await refresh(files, { request: { keyrings: [keyring] } });
    await rejects(outcome, "signature", /\(the key has expired\)$/);
    const then = await refresh(files, { request: { keyrings: [keyring] }, now: new Date("2026-11-06T00:00:00Z") });
    await rejects(then.outcome, "not-yet-valid", /expected a date before now/);
    const stamp = "20261101T000000Z";
    const moved = new Map([...files].map(([path, bytes]) => [`/archive/debian/${stamp}${path}`, bytes]));
    const old = await refresh(moved, { request: { keyrings: [keyring], snapshot: stamp } });
    expect(old.outcome).toMatchObject({ repositories: [{ signedBy: [short.fingerprint] }] });
  });

  it("whose signed text was changed is refused", async () => {
    const files = await makeArchive(GOOD, key);
    const text = (files.get("/dists/trixie/InRelease") as Buffer).toString();
    files.set("/dists/trixie/InRelease", Buffer.from(text.replace("Origin: Made", "Origin: Fake")));
    await rejects((await refresh(files)).outcome, "signature", /got signatures by/);
  });

  it("that is not signed is refused", async () => {
    const { files, release } = makeSuite(GOOD);
    files.set("/dists/trixie/InRelease", Buffer.from(release));
    await rejects((await refresh(files)).outcome, "signature", /expected a clear-signed text/);
  });

  it("does not get text past the signature", async () => {
    const files = await makeArchive(GOOD, key);
    const signed = (files.get("/dists/trixie/InRelease") as Buffer).toString();
    files.set("/dists/trixie/InRelease", Buffer.from(`Codename: sid\nDate: never\n\n${signed}\nCodename: sid\n`));
    const { outcome } = await refresh(files);
    // Whether the frame is refused or passed over, what counts is the signed text.
    if (outcome instanceof Error) expect(outcome).toMatchObject({ code: "signature" });
    else expect(outcome).toMatchObject({ repositories: [{ suite: "trixie", date: "2026-11-19T08:00:00Z" }] });
  });

  it("that is another suite is refused", async () => {
    const { outcome } = await refresh(await makeArchive({ ...GOOD, codename: "bookworm" }, key));
    await rejects(outcome, "wrong-repository", /expected suite trixie, got bookworm/);
  });

  it("whose index was changed is refused", async () => {
    const files = await makeArchive(GOOD, key);
    const path = "/dists/trixie/main/binary-amd64/Packages.xz";
    const index = Buffer.from(files.get(path) as Buffer);
    index[20] = (index[20] as number) ^ 1;
    files.set(path, index);
    await rejects((await refresh(files)).outcome, "digest-mismatch", /cannot fetch index "trixie\/main\/binary-amd64/);
  });

  it("whose index has another size is refused", async () => {
    const files = await makeArchive(GOOD, key);
    const path = "/dists/trixie/main/binary-amd64/Packages.xz";
    files.set(path, Buffer.concat([files.get(path) as Buffer, Buffer.from("x")]));
    await rejects((await refresh(files)).outcome, "size-mismatch", /expected \d+ bytes, got \d+ bytes from/);
  });

  it("whose two statements about its index differ is refused", async () => {
    const edit = (release: string) => release.replace(/^ [0-9a-f]{64}( \d+ \S+Packages)$/m, ` ${"0".repeat(64)}$1`);
    const { outcome } = await refresh(await makeArchive({ ...GOOD, edit }, key));
    await rejects(outcome, "digest-mismatch", /cannot use index "trixie\/main\/binary-amd64\/Packages"/);
  });

  it("whose signed text is no release file is refused", async () => {
    const { outcome } = await refresh(await makeArchive({ ...GOOD, edit: () => "Hello, world\n" }, key));
    await rejects(outcome, "malformed", /expected a Release file/);
  });

  it("that lacks the component is refused, with what it has", async () => {
    const { outcome } = await refresh(await makeArchive(GOOD, key), { request: { components: ["mian"] } });
    await rejects(
      outcome,
      "wrong-repository",
      /cannot use component "mian" of trixie: expected one of main, got another/,
    );
  });

  it("that lacks the architecture is refused, with what it has", async () => {
    const { outcome } = await refresh(await makeArchive(GOOD, key), { request: { architecture: "riscv64" } });
    await rejects(outcome, "wrong-repository", /expected one of amd64, arm64, got another/);
  });

  it("that does not exist is reported with its address", async () => {
    await rejects((await refresh(new Map())).outcome, "not-found", /HTTP 404 \(http:\/\/127.*InRelease\)$/);
  });

  it("that nobody reaches is reported with its address", async () => {
    const { outcome } = await refresh(new Map(), { request: { mirror: NOBODY } });
    await rejects(outcome, "unreachable", /127\.0\.0\.1:2/);
  });

  it("is not read with a keyring that cannot be read", async () => {
    const { outcome } = await refresh(await makeArchive(GOOD, key), { request: { keyrings: ["/nowhere.asc"] } });
    await rejects(outcome, "keyring", /cannot read keyring "\/nowhere.asc": expected OpenPGP keys, got ENOENT/);
  });
});

describe("a timestamped archive", () => {
  const stamp = "20261101T000000Z";
  const old = { ...GOOD, date: "Sat, 31 Oct 2026 08:00:00 UTC", validUntil: "Sat, 07 Nov 2026 08:00:00 UTC" };

  it("is meant to be old, and is found below the mirror by its stamp", async () => {
    const files = await makeArchive(old, key);
    const moved = new Map([...files].map(([path, bytes]) => [`/archive/debian/${stamp}${path}`, bytes]));
    const { outcome, requests } = await refresh(moved, { request: { snapshot: stamp } });
    expect(outcome).toMatchObject({ repositories: [{ date: "2026-10-31T08:00:00Z" }] });
    expect(requests[0]).toBe(`GET /archive/debian/${stamp}/dists/trixie/InRelease`);
  });

  it("is named by a moment", async () => {
    const { outcome, requests } = await refresh(new Map(), { request: { snapshot: "../../etc" } });
    expect(outcome).toMatchObject({ code: "wrong-repository" });
    expect(requests).toEqual([]);
  });

  it("must be signed all the same", async () => {
    const files = await makeArchive(old, stranger);
    const moved = new Map([...files].map(([path, bytes]) => [`/archive/debian/${stamp}${path}`, bytes]));
    expect((await refresh(moved, { request: { snapshot: stamp } })).outcome).toMatchObject({ code: "signature" });
  });
});

describe("the store", () => {
  const request = (folder: string, mirror: string): RepositoryRequest => ({
    distribution: "debian",
    release: "trixie",
    architecture: "amd64",
    components: ["main"],
    suites: ["trixie"],
    mirror,
    keyrings: [join(folder, "archive.asc")],
  });

  it("keeps the decompressed index, and what it needs to go on offline", async () => {
    using folder = makeTestFolder();
    writeFileSync(join(folder.path, "archive.asc"), key.armored);
    await using server = await serve(await makeArchive(GOOD, key));
    const directory = join(folder.path, "store");
    const asked = request(folder.path, server.url);
    const first = await openTestStore(directory).refresh(asked);
    const second = await openTestStore(directory).refresh(asked);
    expect(second).toEqual(first);
    expect(server.requests.filter((line) => line.includes("Packages"))).toHaveLength(1);

    const count = server.requests.length;
    expect(await openTestStore(directory, { offline: true }).refresh(asked)).toEqual(first);
    expect(server.requests).toHaveLength(count);
    expect(filesIn(directory, "temporary")).toEqual([]);
    expect(filesIn(directory, "partial")).toEqual([]);
  });

  it("does not believe what it kept beyond its time", async () => {
    using folder = makeTestFolder();
    writeFileSync(join(folder.path, "archive.asc"), key.armored);
    await using server = await serve(await makeArchive(GOOD, key));
    const directory = join(folder.path, "store");
    const asked = request(folder.path, server.url);
    await openTestStore(directory).refresh(asked);
    const later = openTestStore(directory, { offline: true, now: () => new Date("2026-12-24T00:00:00Z") });
    await expect(later.refresh(asked)).rejects.toMatchObject({ code: "expired" });
  });

  it("has nothing to go on with offline when it is cold", async () => {
    using folder = makeTestFolder();
    writeFileSync(join(folder.path, "archive.asc"), key.armored);
    const store = openTestStore(join(folder.path, "store"), { offline: true });
    await expect(store.refresh(request(folder.path, NOBODY))).rejects.toMatchObject({ code: "offline" });
  });

  it("fetches an index anew whose object is damaged", async () => {
    using folder = makeTestFolder();
    writeFileSync(join(folder.path, "archive.asc"), key.armored);
    const files = await makeArchive(GOOD, key);
    await using server = await serve(files);
    const directory = join(folder.path, "store");
    const asked = request(folder.path, server.url);
    const store = openTestStore(directory);
    const index = store.put(files.get("/dists/trixie/main/binary-amd64/Packages.xz") as Buffer);
    writeFileSync(index.path, Buffer.alloc(index.sizeBytes));
    expect(await store.refresh(asked)).toMatchObject({ indexes: [{ component: "main" }] });
    expect(await store.verifyAll()).toMatchObject({ damaged: [] });
  });

  it("makes a torn index anew", async () => {
    using folder = makeTestFolder();
    writeFileSync(join(folder.path, "archive.asc"), key.armored);
    await using server = await serve(await makeArchive(GOOD, key));
    const directory = join(folder.path, "store");
    const asked = request(folder.path, server.url);
    const first = await openTestStore(directory).refresh(asked);
    const [index] = filesIn(directory, "derived").filter((name) => !name.endsWith(".json"));
    const size = first.indexes[0]?.packages.length ?? 0;
    writeFileSync(join(directory, "derived", index as string), Buffer.alloc(size));
    expect(await openTestStore(directory).refresh(asked)).toEqual(first);
  });

  it("asks the next mirror of the host where one is behind, and none where one is forged", async () => {
    using folder = makeTestFolder();
    writeFileSync(join(folder.path, "archive.asc"), key.armored);
    const stale = { ...GOOD, date: "Sun, 01 Nov 2026 08:00:00 UTC", validUntil: "Sun, 08 Nov 2026 08:00:00 UTC" };
    await using behind = await serve(await makeArchive(stale, key));
    await using forged = await serve(await makeArchive(GOOD, stranger));
    await using good = await serve(await makeArchive(GOOD, key));
    const aptDirectory = join(folder.path, "apt");
    mkdirSync(aptDirectory);
    const { mirror: _, ...asked } = request(folder.path, "");
    const archives = { main: good.url, security: NOBODY, snapshot: NOBODY };
    const refreshWith = (mirror: string, name: string) => {
      writeFileSync(join(aptDirectory, "sources.list"), `deb ${mirror} bookworm main\n`);
      return openTestStore(join(folder.path, name), { aptDirectory, archives, now: () => NOW }).refresh(asked);
    };
    await expect(refreshWith(NOBODY, "a")).resolves.toMatchObject({ repositories: [{ suite: "trixie" }] });
    await expect(refreshWith(behind.url, "b")).resolves.toMatchObject({ repositories: [{ suite: "trixie" }] });
    await expect(refreshWith(forged.url, "c")).rejects.toMatchObject({ code: "signature" });
  });

  it("asks the host's keyrings where none of the named ones signed, but none that Debian retired", async () => {
    using folder = makeTestFolder();
    writeFileSync(join(folder.path, "archive.asc"), stranger.armored);
    await using server = await serve(await makeArchive(GOOD, key));
    const hostKeyrings = join(folder.path, "keyrings");
    mkdirSync(hostKeyrings);
    const asked = request(folder.path, server.url);
    for (const name of ["vendor.gpg", "debian-archive-removed-keys.gpg"]) {
      writeFileSync(join(hostKeyrings, name), key.armored);
    }
    const refreshed = () => openTestStore(join(folder.path, "store"), { hostKeyrings }).refresh(asked);
    await expect(refreshed()).rejects.toMatchObject({ code: "signature" });
    writeFileSync(join(hostKeyrings, "debian-archive-made-automatic.pgp"), key.armored);
    await expect(refreshed()).resolves.toMatchObject({ repositories: [{ signedBy: [key.fingerprint] }] });
  });
});
