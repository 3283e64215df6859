import { execFileSync, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Debian packages unpacked into a folder, whose programs run with their own loader and libraries: no root, no chroot. */
export interface DebianRoot {
  /** The folder that stands for `/`. */
  path: string;
  /** The command that runs one of its programs, such as `usr/bin/ukify`; Python scripts through its Python. */
  command(program: string): readonly [string, ...string[]];
  /** Runs one of its programs and gives what it prints. Throws when it fails. */
  run(program: string, args: readonly string[]): string;
}

const LIBRARY_FOLDER = "usr/lib/x86_64-linux-gnu";
const KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg";

/**
 * Unpacks packages of a Debian release with all that they depend on, once, into a folder named by their versions.
 * @returns undefined where that cannot be done and a test may skip; under CI the reason is thrown
 */
export function debianRoot(release: string, packages: readonly string[]): DebianRoot | undefined {
  return attempt(() => {
    if (process.arch !== "x64") throw new Error("expected an x86-64 machine");
    return openRoot(exclusively(() => unpack(download(release, { packages, wanted: /^/, architecture: "amd64" }))));
  });
}

/** As `debianRoot`, but only packages whose name matches: data files, such as stubs and kernels, of any architecture. */
export function debianFiles(
  release: string,
  packages: readonly string[],
  wanted: RegExp,
  architecture: "amd64" | "arm64" = "amd64",
): string | undefined {
  const key = [release, ...packages, wanted.source, architecture].join(" ");
  const wantedFiles = { packages, wanted, architecture };
  const known = unpacked.get(key) ?? attempt(() => exclusively(() => unpack(download(release, wantedFiles))));
  if (known !== undefined) unpacked.set(key, known);
  return known;
}

/** The packages themselves, with all that they depend on: paths of .deb files. Undefined as for `debianRoot`. */
export function debianArchives(release: string, packages: readonly string[]): string[] | undefined {
  return attempt(() => exclusively(() => download(release, { packages, wanted: /^/, architecture: "amd64" })));
}

/** Folders of this process: asking apt what a release has takes a second each time. */
const unpacked = new Map<string, string>();

const LOCK_POLL_MS = 100;

/** Lets one process at a time use apt's state. A lock whose owner has gone is nobody's. */
function exclusively<T>(action: () => T): T {
  const lock = join(cacheFolder(), "lock");
  for (;;) {
    try {
      writeFileSync(lock, String(process.pid), { flag: "wx" });
      break;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
      if (isAbandoned(lock)) rmSync(lock, { force: true });
      else Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, LOCK_POLL_MS);
    }
  }
  try {
    return action();
  } finally {
    rmSync(lock, { force: true });
  }
}

function isAbandoned(lock: string): boolean {
  try {
    const owner = Number(readFileSync(lock, "utf8"));
    // Between its making and its writing it is empty.
    if (owner > 0) process.kill(owner, 0);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "ESRCH";
  }
}

function attempt<T>(action: () => T): T | undefined {
  try {
    return action();
  } catch (error) {
    if (process.env["CI"]) throw error;
    return undefined;
  }
}

function openRoot(path: string): DebianRoot {
  const command = (program: string): [string, ...string[]] => {
    const isPython = /^#!.*python/.test(readFileSync(join(path, program)).toString("latin1", 0, 64));
    const libraries = [LIBRARY_FOLDER, `${LIBRARY_FOLDER}/systemd`].map((folder) => join(path, folder)).join(":");
    return [
      join(path, LIBRARY_FOLDER, "ld-linux-x86-64.so.2"),
      "--library-path",
      libraries,
      ...(isPython ? [join(path, "usr/bin/python3")] : []),
      join(path, program),
    ];
  };
  return {
    path,
    command,
    run(program, args) {
      const [loader, ...rest] = command(program);
      const result = spawnSync(loader, [...rest, ...args], {
        encoding: "utf8",
        maxBuffer: 1 << 28,
        env: {
          PATH: "/usr/bin:/bin",
          LC_ALL: "C.UTF-8",
          PYTHONHOME: join(path, "usr"),
          PYTHONDONTWRITEBYTECODE: "1",
        },
      });
      if (result.status === 0) return result.stdout;
      throw new Error(`cannot run ${program} ${args.join(" ")}: ${result.error?.message ?? result.stderr}`);
    },
  };
}

function unpack(files: readonly string[]): string {
  const key = createHash("sha256").update(files.join("\n")).digest("hex").slice(0, 16);
  const target = join(cacheFolder(), `root-${key}`);
  if (existsSync(target)) return target;
  const partial = `${target}.${process.pid}`;
  rmSync(partial, { recursive: true, force: true });
  mkdirSync(partial);
  for (const file of files) execFileSync("dpkg-deb", ["-x", file, partial]);
  if (!existsSync(target)) renameSync(partial, target);
  return target;
}

/** Fetches packages with the host's apt into our own state, from the host's mirror, signatures checked. */
function download(
  release: string,
  request: { packages: readonly string[]; wanted: RegExp; architecture: string },
): string[] {
  const { architecture: wantedArchitecture } = request;
  const folder = join(cacheFolder(), `apt-${release}${wantedArchitecture === "amd64" ? "" : `-${wantedArchitecture}`}`);
  const archives = join(folder, "cache/archives");
  mkdirSync(join(folder, "lists/partial"), { recursive: true });
  mkdirSync(join(archives, "partial"), { recursive: true });
  const config = join(folder, "apt.conf");
  writeFileSync(join(folder, "sources.list"), `deb [signed-by=${KEYRING}] ${hostMirror()} ${release} main\n`);
  writeFileSync(join(folder, "status"), "");
  writeFileSync(config, aptConfig(folder, wantedArchitecture));
  const apt = (args: readonly string[]) =>
    execFileSync("apt-get", ["-q", "-y", ...args], {
      encoding: "utf8",
      cwd: archives,
      maxBuffer: 1 << 26,
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, APT_CONFIG: config, LC_ALL: "C.UTF-8" },
    });
  const fetchAll = () => {
    const inst = [
      ...apt(["--simulate", "install", ...request.packages]).matchAll(/^Inst (\S+) \((\S+) .*\[(\w+)\]\)/gm),
    ];
    const chosen = inst.filter(([, name]) => request.wanted.test(name ?? ""));
    const file = ([, name, version, architecture]: readonly string[]) =>
      join(archives, `${name}_${version?.replaceAll(":", "%3a")}_${architecture}.deb`);
    const missing = chosen.filter((match) => !existsSync(file(match)));
    if (missing.length > 0) apt(["download", ...missing.map(([, name, version]) => `${name}=${version}`)]);
    return chosen.map(file);
  };
  try {
    return fetchAll();
  } catch {
    // No lists yet, or the mirror has moved on since they were fetched.
    apt(["update"]);
    return fetchAll();
  }
}

function aptConfig(folder: string, architecture: string): string {
  return [
    `Dir::State "${folder}";`,
    `Dir::State::lists "${folder}/lists";`,
    `Dir::State::status "${folder}/status";`,
    `Dir::Cache "${folder}/cache";`,
    `Dir::Etc::sourcelist "${folder}/sources.list";`,
    `Dir::Etc::sourceparts "${folder}/none";`,
    `Dir::Etc::preferencesparts "${folder}/none";`,
    `Dir::Etc::preferences "${folder}/none";`,
    `APT::Install-Recommends "0";`,
    `APT::Architecture "${architecture}";`,
    `APT::Architectures "${architecture}";`,
    `APT::Sandbox::User "";`,
    `Acquire::Languages "none";`,
    // Sid's index may be past its date on a mirror that lags; signatures are still checked.
    `Acquire::Check-Valid-Until "false";`,
    "",
  ].join("\n");
}

function hostMirror(): string {
  const lines = execFileSync("apt-get", ["indextargets", "--format", "$(REPO_URI) $(RELEASE) $(COMPONENT)"], {
    encoding: "utf8",
  }).split("\n");
  const main = lines
    .map((line) => line.split(" "))
    .find(
      ([uri, suite, component]) =>
        component === "main" && /\/debian\/?$/.test(uri ?? "") && !suite?.includes("security"),
    );
  return main?.[0] ?? "http://ftp.debian.org/debian/";
}

function cacheFolder(): string {
  const folder = join(tmpdir(), `cvm-build-debian-${process.getuid?.() ?? 0}`);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  return folder;
}
