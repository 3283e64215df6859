/**
 * A process that fetches one package into a store, to be killed or starved by a test. It prints the path on success and
 * the error's code otherwise.
 * Arguments: the store's folder, the mirror, the SHA-256 and the size of `pool/x.deb`.
 */
import type { Sha256Hex } from "@cvm-build/bytes";
import { openStore } from "@cvm-build/store";

const [directory = "", mirror = "", sha256 = "", size = ""] = process.argv.slice(2);
const nobody = "http://127.0.0.1:2";

try {
  const store = openStore({
    directory,
    now: () => new Date("2026-11-20T12:00:00Z"),
    offline: false,
    environment: {},
    aptDirectory: "/nowhere",
    archives: { main: nobody, security: nobody, snapshot: nobody },
    retry: { attempts: 3, firstDelayMs: 10 },
  });
  const repository = {
    suite: "trixie",
    components: ["main"],
    archive: "main" as const,
    inReleaseSha256: sha256 as Sha256Hex,
    date: "2026-11-19T00:00:00Z",
    signedBy: [],
  };
  const paths = await store.fetchPackages(
    {
      distribution: { id: "debian", release: "trixie", architecture: "amd64" },
      repositories: [repository],
      packages: [
        {
          name: "x",
          version: "1",
          architecture: "amd64",
          role: "image",
          repository: "trixie",
          path: "pool/x.deb",
          sizeBytes: Number(size),
          sha256: sha256 as Sha256Hex,
          source: { name: "x", version: "1" },
          requestedBy: ["profile"],
        },
      ],
    },
    { mirror, baseDirectory: "/" },
  );
  console.log([...paths.values()][0]);
} catch (error) {
  console.log(`failed: ${(error as { code?: string }).code ?? String(error)}`);
  process.exitCode = 3;
}
