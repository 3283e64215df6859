/** A kernel command line, word by word. */
export type KernelParameters = readonly string[];

const NO = ["0", "no", "n", "false", "f", "off"];

/** Splits a command line; what stands behind `--` is for init, which reads it as well. */
export function kernelParameters(text: string): KernelParameters {
  return text.match(/(?:[^\s"]|"[^"]*"?)+/g) ?? [];
}

/**
 * The words that set a parameter. Dashes and underscores are the same, as the kernel and systemd have it.
 * @param name without a value
 */
export function wordsOf(parameters: KernelParameters, name: string): string[] {
  return parameters.filter((word) => keyOf(word) === normal(name));
}

/** The value of the last word that sets a parameter: `""` where it has none, undefined where nothing sets it. */
export function valueOf(parameters: KernelParameters, name: string): string | undefined {
  const word = wordsOf(parameters, name).at(-1);
  return word === undefined ? undefined : word.slice(keyOf(word).length + 1).replaceAll('"', "");
}

/** Whether a parameter is set to no. @see systemd, src/basic/parse-util.c, `parse_boolean` */
export function isSwitchedOff(parameters: KernelParameters, name: string): boolean {
  return NO.includes(valueOf(parameters, name)?.toLowerCase() ?? "");
}

/** Whether a parameter is set, and not to no. */
export function isSwitchedOn(parameters: KernelParameters, name: string): boolean {
  return valueOf(parameters, name) !== undefined && !isSwitchedOff(parameters, name);
}

function keyOf(word: string): string {
  const [key = ""] = word.split("=", 1);
  return normal(key);
}

function normal(name: string): string {
  return name.replaceAll("-", "_");
}
