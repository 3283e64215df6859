import { lstatSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { compareCodeUnits, CvmError, FormatError, type Sha256Hex } from "@cvm-build/bytes";
import { fileDigest } from "../output.ts";
import { isPlainPath } from "./checksums.ts";

const MAX_FILES = 4096;
const MAX_DEPTH = 8;
/** More than the SBOM of any image. */
const MAX_DOCUMENT_BYTES = 64 << 20;

/** Plain files below one folder, of any origin. Links and devices are never opened. */
export class ReleaseFolder {
  readonly directory: string;
  /** Path below the folder to size in bytes, sorted by path. */
  readonly files: ReadonlyMap<string, number>;

  /**
   * @param options.except entries of the folder itself to leave out
   * @throws CvmError `release` where it is no folder, holds what is no plain file, or too much
   */
  constructor(directory: string, { except = [] }: { except?: readonly string[] } = {}) {
    this.directory = directory;
    this.files = new Map(listFiles(directory, except));
  }

  /**
   * The whole of a document.
   * @throws FormatError where it is missing or too large
   */
  read(name: string): Buffer {
    const sizeBytes = this.files.get(name);
    if (sizeBytes === undefined) throw new FormatError({ record: name }, "expected the file, got none");
    if (sizeBytes > MAX_DOCUMENT_BYTES) {
      throw new FormatError({ record: name }, `expected at most ${MAX_DOCUMENT_BYTES} bytes, got ${sizeBytes}`);
    }
    return readFileSync(join(this.directory, name));
  }

  /** Digest of a file, read in pieces. */
  digest(name: string): Sha256Hex {
    return fileDigest(join(this.directory, name)).sha256;
  }
}

function listFiles(directory: string, except: readonly string[]): [path: string, sizeBytes: number][] {
  const found: [string, number][] = [];
  const waiting = namesIn(directory).filter((name) => !except.includes(name));
  for (let path = waiting.shift(); path !== undefined; path = waiting.shift()) {
    if (!isPlainPath(path)) throw unfit(path, "a name of letters, digits and ._+@~-", "another");
    const stat = lstatSync(join(directory, path));
    if (stat.isDirectory()) {
      if (path.split("/").length === MAX_DEPTH) throw unfit(path, `at most ${MAX_DEPTH} folders deep`, "more");
      waiting.push(...namesIn(join(directory, path)).map((name) => `${path}/${name}`));
    } else if (stat.isFile()) found.push([path, stat.size]);
    else throw unfit(path, "a plain file", "a link or a special file");
    if (found.length + waiting.length > MAX_FILES) throw unfit(directory, `at most ${MAX_FILES} files`, "more");
  }
  return found.sort(([a], [b]) => compareCodeUnits(a, b));
}

function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory).sort();
  } catch (cause) {
    const reason = (cause as NodeJS.ErrnoException).code ?? "";
    throw new CvmError("release", `cannot read "${directory}": expected a folder, got ${reason}`, { cause });
  }
}

function unfit(path: string, expected: string, got: string): CvmError {
  return new CvmError("release", `cannot use ${JSON.stringify(path)} in a release: expected ${expected}, got ${got}`);
}
