import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

export const REPOSITORY = join(import.meta.dirname, "../..");

export interface SourceFile {
  /** Relative to the repository. */
  path: string;
  /** The package's folder name under `packages/`; of a plugin with its folder, as `plugins/aws`. */
  package: string;
  text: string;
  isTest: boolean;
}

/** Every TypeScript file under `packages/` and `plugins/`, by path. */
export function sourceFiles(): SourceFile[] {
  return [...sourceFilesBelow("packages"), ...sourceFilesBelow("plugins")];
}

function sourceFilesBelow(folder: string): SourceFile[] {
  return readdirSync(join(REPOSITORY, folder))
    .sort()
    .flatMap((name) =>
      readdirSync(join(REPOSITORY, folder, name, "src"), { recursive: true, encoding: "utf8" })
        .filter((file) => file.endsWith(".ts"))
        .sort()
        .map((file) => {
          const path = join(folder, name, "src", file);
          return {
            path,
            package: folder === "packages" ? name : `${folder}/${name}`,
            text: readFileSync(join(REPOSITORY, path), "utf8"),
            isTest: /\.(test|fixture)\.ts$/.test(file),
          };
        }),
    );
}

/** `text` with comments and string contents blanked, so that a search finds code only. Line numbers stay. */
export function codeOnly(text: string): string {
  const blank = (match: string) => match.replace(/[^\n]/g, " ");
  return text.replace(/\/\*[\s\S]*?\*\/|\/\/[^\n]*|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'/g, blank);
}
