import { FormatError } from "@cvm-build/bytes";

/** A kernel's configuration: symbol without `CONFIG_` to value; one that is not set is absent. */
export type KernelConfig = ReadonlyMap<string, string>;

/** Kernels have less than 200 kB of it. */
const MAX_CONFIG_BYTES = 4 << 20;
const MAX_LINE_LENGTH = 65_536;

const ASSIGNMENT = /^CONFIG_([A-Za-z0-9_]+)=(y|m|n|-?\d+|0x[0-9a-fA-F]+|"(?:[^"\\]|\\.)*")$/;

/**
 * Parses the `.config` of a kernel. As for the kernel's own tools the last word on a symbol counts.
 * @throws FormatError where a line is neither an assignment nor a comment
 * @see Linux `Documentation/kbuild/kconfig.rst`
 */
export function parseKernelConfig(bytes: Uint8Array): KernelConfig {
  if (bytes.byteLength > MAX_CONFIG_BYTES) {
    throw new FormatError(
      { record: "KernelConfig" },
      `expected at most ${MAX_CONFIG_BYTES} bytes, got ${bytes.byteLength}`,
    );
  }
  const config = new Map<string, string>();
  const lines = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("latin1").split("\n");
  lines.forEach((raw, index) => {
    const line = raw.replace(/\r$/, "").trim();
    const unset = /^# CONFIG_([A-Za-z0-9_]+) is not set$/.exec(line)?.[1];
    if (unset !== undefined) config.delete(unset);
    if (line === "" || line.startsWith("#")) return;
    const [, symbol, value] = (line.length <= MAX_LINE_LENGTH && ASSIGNMENT.exec(line)) || [];
    if (symbol === undefined || value === undefined) throw badLine(line, index + 1);
    if (value === "n") config.delete(symbol);
    else config.set(symbol, value.startsWith('"') ? value.slice(1, -1).replace(/\\(.)/g, "$1") : value);
  });
  return config;
}

function badLine(line: string, number: number): FormatError {
  const got = JSON.stringify(line.length > 60 ? `${line.slice(0, 60)}…` : line);
  return new FormatError({ record: "KernelConfig", field: `line ${number}` }, `expected CONFIG_NAME=value, got ${got}`);
}
