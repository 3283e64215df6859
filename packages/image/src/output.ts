import {
  chmodSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { basename, dirname, join, relative } from "node:path";
import { compareCodeUnits, CvmError, openFileSource, sha256Hex, type Sha256Hex, sourceSha256 } from "@cvm-build/bytes";

/**
 * `build/<image-id>` is a symbolic link to one generation below `build/.<image-id>/`. A build fills a generation of its
 * own and then moves the link, so that what stands under the image's name is always one whole build.
 */
export class OutputDirectory {
  readonly path: string;
  readonly imageId: string;
  /** Where the generations are, and what is remembered of them. */
  readonly generations: string;

  constructor(outputDirectory: string, imageId: string) {
    this.path = join(outputDirectory, imageId);
    this.imageId = imageId;
    this.generations = join(outputDirectory, `.${imageId}`);
  }

  /** Starts an empty generation. What an earlier, killed build left behind is removed. */
  startGeneration(): Generation {
    mkdirSync(this.generations, { recursive: true });
    const current = this.#current();
    for (const name of readdirSync(this.generations)) {
      if (name !== current && isGeneration(name) && !belongsToRunningBuild(name))
        rmSync(join(this.generations, name), { recursive: true, force: true });
    }
    const directory = mkdtempSync(join(this.generations, `${process.pid}-`));
    // An image is for others to read, as far as the folder above lets them: mkdtemp makes what only its owner may enter.
    chmodSync(directory, 0o755);
    return new Generation(directory, (generation) => this.#replace(generation));
  }

  /** A file of the current generation, or undefined where there is none. */
  read(name: string): string | undefined {
    try {
      return readFileSync(join(this.path, name), "utf8");
    } catch {
      return undefined;
    }
  }

  /**
   * A JSON document of the current generation, which this program wrote.
   * @throws CvmError `no-image` where it is missing or torn
   */
  readJson<T>(name: string): T {
    const path = join(this.path, name);
    try {
      return JSON.parse(readFileSync(path, "utf8")) as T;
    } catch (cause) {
      throw new CvmError("no-image", `cannot read "${path}": expected what a build leaves beside its image`, {
        hint: "build the image again, with --force",
        cause,
      });
    }
  }

  #current(): string | undefined {
    try {
      return basename(readlinkSync(this.path));
    } catch {
      return undefined;
    }
  }

  #replace(generation: string): void {
    const previous = this.#current();
    if (previous === undefined && exists(this.path)) {
      throw new CvmError(
        "output",
        `cannot replace "${this.path}": expected a link that cvm-build made, got something else`,
        {
          hint: "move it away, or choose another OutputDirectory=",
        },
      );
    }
    const link = `${generation}.link`;
    symlinkSync(join(`.${basename(this.path)}`, basename(generation)), link);
    renameSync(link, this.path);
    if (previous !== undefined) rmSync(join(this.generations, previous), { recursive: true, force: true });
  }
}

/** A build's output while it is being made. */
export class Generation implements Disposable {
  readonly directory: string;
  readonly #replace: (generation: string) => void;
  readonly #digests = new Map<string, FileDigest>();
  #published = false;

  constructor(directory: string, replace: (generation: string) => void) {
    this.directory = directory;
    this.#replace = replace;
  }

  path(name: string): string {
    return join(this.directory, name);
  }

  /** @param name may begin with folders, which are made */
  write(name: string, data: string | Uint8Array): void {
    mkdirSync(dirname(this.path(name)), { recursive: true });
    writeFileSync(this.path(name), data, { mode: 0o644 });
    this.written(name, { sizeBytes: Buffer.byteLength(data), sha256: sha256Hex(data) });
  }

  /** Notes the digest of a file that somebody else wrote to its `path`. */
  written(name: string, { sizeBytes, sha256 }: FileDigest): void {
    this.#digests.set(name, { sizeBytes, sha256 });
  }

  /** Size and SHA-256 of a file that is written and stays as it is. Read once. */
  digest(name: string): FileDigest {
    const known = this.#digests.get(name) ?? fileDigest(this.path(name));
    this.#digests.set(name, known);
    return known;
  }

  /** Every file that was written, by name. */
  digests(): Record<string, Sha256Hex> {
    const names = filesBelow(this.directory)
      .map((path) => relative(this.directory, path))
      .sort(compareCodeUnits);
    return Object.fromEntries(names.map((name) => [name, this.digest(name).sha256]));
  }

  /** Makes this generation the image. */
  publish(): void {
    this.#replace(this.directory);
    this.#published = true;
  }

  [Symbol.dispose](): void {
    if (!this.#published) rmSync(this.directory, { recursive: true, force: true });
  }
}

/** Paths of regular files. No link is followed, as `recursive` of Node does: those of an image's tree lead anywhere. */
function filesBelow(directory: string): string[] {
  return readdirSync(directory, { withFileTypes: true }).flatMap((entry) => {
    const path = join(directory, entry.name);
    return entry.isDirectory() ? filesBelow(path) : entry.isFile() ? [path] : [];
  });
}

/** What the system says where there is no room, whoever meets it. */
const NO_ROOM: Readonly<Record<string, string>> = {
  ENOSPC: "free some space, or choose another OutputDirectory= or --cache-dir",
  EDQUOT: "your quota is used up: choose another OutputDirectory= or --cache-dir",
  EFBIG: "a limit on file sizes is set: see ulimit -f",
};
/** What it says where writing is not possible. Those who read files say so themselves. */
const NO_LEAVE: Readonly<Record<string, string>> = {
  EACCES: "make the folder writable, or choose another OutputDirectory= or --cache-dir",
  EPERM: "make the folder writable, or choose another OutputDirectory= or --cache-dir",
  EROFS: "the file system is read-only: choose another OutputDirectory= or --cache-dir",
  ENOTDIR: "a file is in the folder's place: move it away, or choose another OutputDirectory=",
  EEXIST: "a file is in the folder's place: move it away, or choose another OutputDirectory=",
};

/** A failed write as an error that its user can mend; any other error as it is. */
export function explainWriteFailure(error: unknown): unknown {
  const { code: reason = "", path } = systemErrorBelow(error) ?? {};
  const isExplained = error instanceof CvmError;
  const code = reason in NO_ROOM ? "disk-full" : "output";
  const hint = NO_ROOM[reason] ?? (isExplained ? undefined : NO_LEAVE[reason]);
  if (hint === undefined || (isExplained && error.code === code)) return error;
  const place = path === undefined ? "the image" : `"${path}"`;
  return new CvmError(code, `cannot write ${place}: expected room and leave to, got ${reason}`, { hint, cause: error });
}

function systemErrorBelow(error: unknown): NodeJS.ErrnoException | undefined {
  if (!(error instanceof Error)) return undefined;
  return "syscall" in error ? (error as NodeJS.ErrnoException) : systemErrorBelow(error.cause);
}

/** Size and SHA-256 of a file. */
export interface FileDigest {
  sizeBytes: number;
  sha256: Sha256Hex;
}

/** Size and SHA-256 of a file, read in pieces. */
export function fileDigest(path: string): FileDigest {
  using source = openFileSource(path);
  return { sizeBytes: source.sizeBytes, sha256: sourceSha256(source) };
}

/** Generations are named `<process id>-<random>`. */
function belongsToRunningBuild(name: string): boolean {
  const processId = Number.parseInt(name, 10);
  if (processId === process.pid) return false;
  try {
    process.kill(processId, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM"; // it runs, as somebody else
  }
}

function isGeneration(name: string): boolean {
  return /^\d+-/.test(name);
}

function exists(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
}
