import { execFileSync, execFile } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);
const KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg";

/** mkosi 27 or newer (of Debian forky: trixie has 25, which reads configurations differently), unpacked into a directory of its own. */
export interface MkosiPeer extends Disposable {
  /** What `mkosi --json summary` says of a configuration, or undefined where it refuses. */
  summary(directory: string, options: readonly string[]): Promise<Record<string, unknown> | undefined>;
}

/** Whether this host can fetch and run it. */
export function hasMkosiPeer(): boolean {
  try {
    for (const tool of ["apt-get", "dpkg-deb", "python3"]) execFileSync(tool, ["--version"], { stdio: "ignore" });
    return hostMirror() !== undefined;
  } catch {
    return false;
  }
}

/** Fetches mkosi through the host's own mirror, verified by apt, and unpacks it. */
export function openMkosiPeer(): MkosiPeer {
  const root = mkdtempSync(join(tmpdir(), "cvm-mkosi-"));
  for (const directory of ["lists/partial", "cache/archives/partial", "empty"]) {
    mkdirSync(join(root, directory), { recursive: true });
  }
  writeFileSync(join(root, "sources.list"), `deb [signed-by=${KEYRING}] ${hostMirror()} forky main\n`);
  writeFileSync(join(root, "status"), "");
  const config = [
    `Dir::Etc::SourceList "${root}/sources.list";`,
    `Dir::Etc::SourceParts "${root}/empty";`,
    `Dir::Etc::Preferences "${root}/preferences";`,
    `Dir::Etc::PreferencesParts "${root}/empty";`,
    `Dir::State::Lists "${root}/lists";`,
    `Dir::State::Status "${root}/status";`,
    `Dir::Cache "${root}/cache";`,
    `APT::Sandbox::User "";`,
    `Acquire::Languages "none";`,
  ];
  writeFileSync(join(root, "apt.conf"), config.join("\n"));
  const environment = { ...process.env, APT_CONFIG: join(root, "apt.conf") };
  execFileSync("apt-get", ["update"], { env: environment, stdio: ["ignore", "ignore", "inherit"] });
  execFileSync("apt-get", ["download", "mkosi"], {
    cwd: root,
    env: environment,
    stdio: ["ignore", "ignore", "inherit"],
  });
  const [archive] = readdirSync(root).filter((name) => name.endsWith(".deb"));
  execFileSync("dpkg-deb", ["-x", archive!, "unpacked"], { cwd: root });
  const modules = join(root, "unpacked/usr/lib/python3/dist-packages");
  return {
    async summary(directory, options) {
      try {
        const { stdout } = await run("python3", ["-m", "mkosi", "--json", ...options, "summary"], {
          cwd: directory,
          env: { ...process.env, PYTHONPATH: modules, PYTHONDONTWRITEBYTECODE: "1" },
          maxBuffer: 1 << 24,
        });
        return JSON.parse(stdout).Images.at(-1);
      } catch (error) {
        // mkosi ends with 1 where a configuration is wrong; anything else is a fault of this test.
        if ((error as { code?: unknown }).code === 1) return undefined;
        throw error;
      }
    },
    [Symbol.dispose]: () => rmSync(root, { recursive: true, force: true }),
  };
}

/** Finds the Debian mirror that this host uses. */
function hostMirror(): string | undefined {
  const files = ["/etc/apt/sources.list"];
  try {
    files.push(...readdirSync("/etc/apt/sources.list.d").map((name) => `/etc/apt/sources.list.d/${name}`));
  } catch {
    // A host without the directory has the file alone.
  }
  for (const file of files) {
    try {
      const text = readFileSync(file, "utf8").replaceAll(/^\s*#.*\n/gm, "");
      const found = /^(?:URIs:|deb(?: \[[^\]]*\])?)\s+(\S+\/debian)\/?(?:\s|$)/m.exec(text);
      if (found !== null) return found[1];
    } catch {
      // Hosts have the one or the other kind of file.
    }
  }
  return undefined;
}
