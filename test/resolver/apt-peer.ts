import { execFile, execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { openPackageIndex, PackageUniverse } from "@cvm-build/resolver";

const run = promisify(execFile);
const KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg";

/** An apt of its own: an empty system, trixie's lists, and none of the host's settings. */
export interface AptPeer extends Disposable {
  universe: PackageUniverse;
  /** `name=version:architecture` of what apt would install, sorted, or undefined where it refuses. */
  simulate(request: AptRequest): Promise<string[] | undefined>;
}

export interface AptRequest {
  packages: string[];
  withRecommends: boolean;
}

/** Sets up the peer and fetches the lists of trixie, its updates and its security archive through the host's own mirror. */
export function openAptPeer(): AptPeer {
  const root = mkdtempSync(join(tmpdir(), "cvm-apt-"));
  const config = writeConfiguration(root);
  const environment = { ...process.env, APT_CONFIG: config, LC_ALL: "C" };
  execFileSync("apt-get", ["update"], { env: environment, stdio: ["ignore", "ignore", "inherit"] });
  // Builds the binary cache that all later runs share.
  execFileSync("apt-cache", ["gencaches"], { env: environment, stdio: "ignore" });
  const universe = readUniverse(root);
  return {
    universe,
    async simulate({ packages, withRecommends }) {
      const recommends = withRecommends ? "--install-recommends" : "--no-install-recommends";
      try {
        const { stdout } = await run("apt-get", ["install", "--simulate", "--yes", recommends, ...packages], {
          env: environment,
          maxBuffer: 1 << 26,
        });
        const installed = stdout.matchAll(/^Inst (\S+) \((\S+) .*\[(\S+)\]\)/gm);
        return [...installed].map(([, name, version, architecture]) => `${name}=${version}:${architecture}`).sort();
      } catch (error) {
        if ((error as { code?: unknown }).code === 100) return undefined;
        throw error;
      }
    },
    [Symbol.dispose]: () => rmSync(root, { recursive: true, force: true }),
  };
}

/** Maps with as many calls under way as there are processors. */
export async function mapParallel<Item, Result>(
  items: readonly Item[],
  map: (item: Item) => Promise<Result>,
): Promise<Result[]> {
  const results: Result[] = [];
  let next = 0;
  const work = async (): Promise<void> => {
    for (let at = next++; at < items.length; at = next++) results[at] = await map(items[at] as Item);
  };
  await Promise.all(Array.from({ length: availableParallelism() }, work));
  return results;
}

function writeConfiguration(root: string): string {
  for (const directory of ["etc/apt/apt.conf.d", "lists/partial", "cache/archives/partial"]) {
    mkdirSync(join(root, directory), { recursive: true });
  }
  writeFileSync(join(root, "status"), "");
  const { main, security } = hostMirrors();
  const source = (uri: string, suite: string): string => `deb [signed-by=${KEYRING}] ${uri} ${suite} main\n`;
  writeFileSync(
    join(root, "etc/apt/sources.list"),
    // In the order in which `PackageUniverse` sorts suites.
    source(main, "trixie") + source(security, "trixie-security") + source(main, "trixie-updates"),
  );
  const settings = {
    Dir: root,
    "Dir::State": root,
    "Dir::State::status": join(root, "status"),
    "Dir::Cache": join(root, "cache"),
    "Dir::Etc": join(root, "etc/apt"),
    "APT::Architecture": "amd64",
    "APT::Architectures": "amd64",
    // Newer releases have another solver too.
    "APT::Solver": "internal",
    "APT::Sandbox::User": "",
    "Acquire::Languages": "none",
    "Debug::NoLocking": "true",
  };
  const config = join(root, "apt.conf");
  writeFileSync(
    config,
    Object.entries(settings)
      .map(([key, value]) => `${key} "${value}";\n`)
      .join(""),
  );
  return config;
}

/** The archives that the host's own apt uses. */
function hostMirrors(): { main: string; security: string } {
  const targets = execFileSync("apt-get", ["indextargets", "--format", "$(REPO_URI)", "Created-By: Packages"], {
    encoding: "utf8",
  });
  const uris = targets.split("\n").map((uri) => uri.replace(/\/$/, ""));
  const main = uris.find((uri) => uri.endsWith("/debian"));
  if (main === undefined) throw new Error("the host's apt has no Debian mirror");
  return { main, security: uris.find((uri) => uri.endsWith("/debian-security")) ?? `${main}-security` };
}

function readUniverse(root: string): PackageUniverse {
  const lists = join(root, "lists");
  const indexes = readdirSync(lists)
    .filter((name) => name.endsWith("_Packages"))
    .map((name) => {
      const [, repository = ""] = /_dists_([^_]+)_/.exec(name) ?? [];
      return openPackageIndex(readFileSync(join(lists, name)), { repository });
    });
  return new PackageUniverse(indexes);
}
