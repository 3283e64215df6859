import { quoteText } from "./error.ts";
import { didYouMean } from "./suggest.ts";

/** What `%x` may stand for besides values of settings. */
export interface SpecifierValues {
  /** Gives the value so far of the setting that `%x` names, `null` if it has none, undefined if there is no such setting. */
  setting(specifier: string): string | null | undefined;
  /** `%C`: absolute directory of the file. */
  fileDirectory: string;
  /** `%P`: absolute directory that relative paths start from. */
  base: string;
  /** `%D`: absolute directory of the whole configuration. */
  directory: string;
  /** `%o`: the output's name. */
  outputName: string;
}

/** A specifier that stands for nothing; the reader that knows its place makes an error of it. Never leaves the package. */
export class SpecifierFault extends Error {
  override readonly name = "SpecifierFault";
  readonly got: string;
  readonly hint: string | undefined;

  constructor(got: string, hint: string | undefined) {
    super(got);
    this.got = got;
    this.hint = hint;
  }
}

const SPECIFIERS = "aditrvoOCPDFI%";

/**
 * Expands `%x` in one item of a value; a `%` at the end is itself, as in mkosi.
 * @throws SpecifierFault for a specifier that does not exist or has no value yet
 * @see mkosi(1), "Specifiers"
 */
export function expandSpecifiers(text: string, values: SpecifierValues): string {
  return text.replaceAll(/%([^])/gu, (written, specifier: string) => {
    const setting = values.setting(specifier);
    if (typeof setting === "string") return setting;
    if (setting === null) throw new SpecifierFault(`${written}, which has no value here`, "assign its setting above");
    const fixed: Record<string, string> = {
      "%": "%",
      C: values.fileDirectory,
      P: values.base,
      D: values.directory,
      o: values.outputName,
      // What mkosi formats a Debian root with, and the name of the only image.
      F: "ext4",
      I: "main",
    };
    const value = Object.hasOwn(fixed, specifier) ? fixed[specifier] : undefined;
    if (value !== undefined) return value;
    throw new SpecifierFault(
      quoteText(written),
      didYouMean(specifier, SPECIFIERS)?.replace("mean ", "mean %") ?? "for a percent sign write %%",
    );
  });
}
