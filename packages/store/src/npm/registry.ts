import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { isMissing, systemCodeOf } from "../errors.ts";

/** The registry's public name where nothing else is configured. */
const PUBLIC_REGISTRY = "https://registry.yarnpkg.com";

/** What the registry is read from. */
export interface RegistrySettings {
  environment: Readonly<Record<string, string | undefined>>;
  /** Where the project's `.npmrc` would be. */
  baseDirectory: string;
}

/**
 * The npm registry that this user's npm would ask: the environment, the project's and the user's `.npmrc`, then npm
 * itself, who also knows its global files.
 * @param packageName decides where a scope has a registry of its own
 * @returns its base address, without a final slash
 */
export async function registryFor(
  packageName: string,
  { environment, baseDirectory }: RegistrySettings,
): Promise<string> {
  const scope = /^(@[^/]+)\//.exec(packageName)?.[1];
  const files = [join(baseDirectory, ".npmrc"), ...(environment["HOME"] ? [join(environment["HOME"], ".npmrc")] : [])];
  const settings = files.map((file) => readNpmrc(file, environment));
  const found = [
    ...(scope === undefined ? [] : settings.map((each) => each.get(`${scope}:registry`))),
    environment["npm_config_registry"],
    environment["NPM_CONFIG_REGISTRY"],
    ...settings.map((each) => each.get("registry")),
  ].find((address) => address !== undefined && isAddress(address));
  return (found ?? (await askNpm(environment)) ?? PUBLIC_REGISTRY).replace(/\/+$/, "");
}

/** @see npmrc(5) */
function readNpmrc(file: string, environment: Readonly<Record<string, string | undefined>>): Map<string, string> {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    if (isMissing(error) || systemCodeOf(error) === "EACCES") return new Map();
    throw error;
  }
  const settings = new Map<string, string>();
  for (const line of text.split("\n")) {
    const [, key, value] = /^\s*([^#;=\s][^=]*?)\s*=\s*(.*?)\s*$/.exec(line) ?? [];
    if (key === undefined || value === undefined) continue;
    const expanded = value.replace(/\$\{(\w+)\}/g, (whole, name: string) => environment[name] ?? whole);
    settings.set(key, expanded.replace(/^"(.*)"$/, "$1"));
  }
  return settings;
}

/** How long npm may take to say what it is configured with. */
const ASK_TIMEOUT_MS = 15_000;

/** What `npm config get registry` says, or undefined where there is no npm that can be asked. */
async function askNpm(environment: Readonly<Record<string, string | undefined>>): Promise<string | undefined> {
  try {
    const { stdout } = await promisify(execFile)("npm", ["config", "get", "registry"], {
      env: { ...environment },
      timeout: ASK_TIMEOUT_MS,
    });
    const address = stdout.trim();
    return isAddress(address) ? address : undefined;
  } catch {
    return undefined;
  }
}

function isAddress(text: string): boolean {
  return /^https?:\/\//.test(text) && URL.canParse(text);
}
