import { execFileSync, spawnSync } from "node:child_process";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Sha256Hex, sha256Hex } from "@cvm-build/bytes";
import { openStore, type RepositorySnapshot, type Store, StoreError } from "@cvm-build/store";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { makeTestFolder, openTestStore } from "../../packages/store/src/store.fixture.ts";
import { serve } from "../../packages/store/src/download/server.fixture.ts";
import { REPOSITORY } from "../support/cli.ts";
import { requirePeers } from "../support/peers.ts";

const KEYRINGS = join(REPOSITORY, "configs/keyrings");

/** Debian as it is now, through the mirrors that this host is configured with and the keys that we ship. */
describe("the real archive of Debian trixie", () => {
  const folder = makeTestFolder();
  let store: Store;
  let snapshot: RepositorySnapshot | undefined;
  afterAll(() => folder[Symbol.dispose]());

  beforeAll(async () => {
    // Only the keys that we ship: those of the host are asked elsewhere.
    const options = { directory: join(folder.path, "store"), now: () => new Date(), offline: false };
    store = openStore({ ...options, environment: {}, hostKeyrings: "/nowhere" });
    try {
      snapshot = await store.refresh({
        distribution: "debian",
        release: "trixie",
        architecture: "amd64",
        components: ["main"],
        keyrings: [KEYRINGS],
      });
    } catch (error) {
      if (process.env["CI"] || !(error instanceof StoreError) || error.code !== "unreachable") throw error;
    }
  });

  it("is signed by the keys that its keyring package names for trixie", (context) => {
    if (snapshot === undefined) return context.skip("no mirror of Debian can be reached");
    const [main, updates, security] = snapshot.repositories;
    expect([main, updates, security].map((each) => [each?.suite, each?.archive])).toEqual([
      ["trixie", "main"],
      ["trixie-updates", "main"],
      ["trixie-security", "security"],
    ]);
    expect(main?.signedBy).toContain("04B54C3CDCA79751B16BC6B5225629DF75B188BD");
    expect(main?.signedBy).toContain("41587F7DB8C774BCCF131416762F67A0B2C39DE4");
    expect(security?.signedBy).toContain("5E04A1E3223A19A20706E20F9904613D4CCE68C6");
  });

  it("is verified as gpgv verifies it, whole and spoilt", async (context) => {
    if (snapshot === undefined || !requirePeers("gpgv")) return context.skip("needs gpgv and a mirror");
    const release = store.read(snapshot.repositories[0]?.inReleaseSha256 as Sha256Hex).toString("latin1");
    const spoilt: Record<string, string> = {
      whole: release,
      "another name": release.replace("Codename: trixie", "Codename: forky"),
      "another digest": release.replace(/^ [0-9a-f]{64} /m, ` ${"0".repeat(64)} `),
      "a line more": release.replace("Origin: Debian\n", "Origin: Debian\nX: y\n"),
      "spaces at a line's end, which a clear signature leaves out": release.replace(
        "Origin: Debian\n",
        "Origin: Debian  \n",
      ),
      "no text": release.replace(/\n\nOrigin[^]*?\n-----BEGIN PGP SIG/, "\n\n\n-----BEGIN PGP SIG"),
      "no signature": release.replace(/-----BEGIN PGP SIGNATURE-----[^]*/, ""),
    };
    for (const [name, text] of Object.entries(spoilt)) {
      expect.soft(await isGoodForUs(text), name).toBe(isGoodForGpgv(text, folder.path));
    }
    expect(await isGoodForUs(release)).toBe(true);
  });

  it("gives packages that dpkg reads", async (context) => {
    if (snapshot === undefined || !requirePeers("dpkg-deb")) return context.skip("needs dpkg and a mirror");
    const text = snapshot.indexes[0]?.packages.toString() ?? "";
    const stanza = text.slice(text.indexOf("\nPackage: hostname\n") + 1).split("\n\n", 1)[0] ?? "";
    const field = (name: string) => new RegExp(`^${name}: (.*)$`, "m").exec(stanza)?.[1] ?? "";
    const sha256 = field("SHA256") as Sha256Hex;
    const lock = {
      distribution: { id: "debian", release: "trixie", architecture: "amd64" } as const,
      repositories: snapshot.repositories,
      packages: [
        {
          name: "hostname",
          version: field("Version"),
          architecture: "amd64",
          role: "image" as const,
          repository: "trixie",
          path: field("Filename"),
          sizeBytes: Number(field("Size")),
          sha256,
          source: { name: "hostname", version: field("Version") },
          requestedBy: ["profile"],
        },
      ],
    };
    const paths = await store.fetchPackages(lock, { baseDirectory: folder.path });
    const shown = execFileSync("dpkg-deb", [
      "--showformat=${Package} ${Version}",
      "--show",
      paths.get(sha256) as string,
    ]);
    expect(shown.toString()).toBe(`hostname ${field("Version")}`);
  });
});

/** Whether we take `text` for trixie's release file (signature only: a stable release has no end). */
async function isGoodForUs(text: string): Promise<boolean> {
  using folder = makeTestFolder();
  await using server = await serve(new Map([["/dists/trixie/InRelease", Buffer.from(text, "latin1")]]));
  const store = openTestStore(folder.path, { now: () => new Date() });
  const request = { distribution: "debian", release: "trixie", architecture: "amd64", suites: ["trixie"] } as const;
  const error = await store
    .refresh({
      ...request,
      suites: [...request.suites],
      components: ["none"],
      mirror: server.url,
      keyrings: [KEYRINGS],
    })
    .catch((caught: unknown) => caught);
  if (!(error instanceof StoreError)) throw new Error("expected a component named none to be refused");
  // What comes after the signature is refused for the component.
  return error.code !== "signature";
}

function isGoodForGpgv(text: string, directory: string): boolean {
  const keyring = join(directory, "shipped.gpg");
  const message = join(directory, `${sha256Hex(text)}.InRelease`);
  writeFileSync(keyring, shippedKeys());
  writeFileSync(message, text, "latin1");
  return spawnSync("gpgv", ["--homedir", directory, "--keyring", keyring, message]).status === 0;
}

/** The keys that we ship in gpgv's form: the armour taken off by its own rules, so that no code of ours is between. */
function shippedKeys(): Buffer {
  const files = readdirSync(KEYRINGS).filter((name) => name.endsWith(".asc"));
  return Buffer.concat(
    files.map((name) => {
      const lines = readFileSync(join(KEYRINGS, name), "latin1").split("\n");
      const start = lines.indexOf("") + 1;
      const body = lines.slice(start).filter((line) => /^[A-Za-z0-9+/]+=*$/.test(line));
      return Buffer.from(body.join(""), "base64");
    }),
  );
}
