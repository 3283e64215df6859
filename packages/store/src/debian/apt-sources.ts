import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { compareCodeUnits } from "@cvm-build/bytes";
import { isMissing, systemCodeOf } from "../errors.ts";

/** Where apt keeps its configuration. */
export const APT_DIRECTORY = "/etc/apt";

/** Debian's archives as this machine's own apt reaches them: base addresses without a final slash, in its order. */
export interface HostMirrors {
  main: string[];
  security: string[];
}

interface AptEntry {
  uri: string;
  suite: string;
  components: string[];
}

/** Names under which Debian's suites are asked for; others (`bookworm-pgdg`, `stable/`) are other vendors' archives. */
const RELEASE =
  /^(buster|bullseye|bookworm|trixie|forky|duke|sid|experimental|oldoldstable|oldstable|stable|testing|unstable)(-updates|-proposed-updates|-security|-backports(-sloppy)?)?$/;

/** Part of the address of a timestamped archive: it holds one moment, not the present. */
const TIMESTAMPED = /\/\d{8}T\d{6}Z?(\/|$)/;

/**
 * The Debian mirrors that the host's apt is configured with. A base that serves one release serves the others too.
 * `mirror+file:`, `cdrom:` and other methods of apt are passed over.
 * @param directory usually `/etc/apt`; may be missing
 */
export function readHostMirrors(directory: string): HostMirrors {
  const entries = sourceFiles(directory).flatMap(({ path, text }) =>
    path.endsWith(".sources") ? parseDeb822(text) : parseOneLine(text),
  );
  const main = new Set<string>();
  const security = new Set<string>();
  for (const { uri, suite, components } of entries) {
    const base = uri.replace(/\/+$/, "");
    if (!/^(https?|file):\/\/?/.test(base) || TIMESTAMPED.test(base)) continue;
    if (!RELEASE.test(suite) || !components.includes("main")) continue;
    const isSecurity = suite.endsWith("-security") || base.endsWith("/debian-security");
    (isSecurity ? security : main).add(base);
  }
  return { main: [...main], security: [...security] };
}

function sourceFiles(directory: string): { path: string; text: string }[] {
  const folder = join(directory, "sources.list.d");
  const names = readable(() => readdirSync(folder)) ?? [];
  const paths = [
    join(directory, "sources.list"),
    ...names
      .filter((name) => /^[\w.-]+\.(list|sources)$/.test(name))
      .sort(compareCodeUnits)
      .map((name) => join(folder, name)),
  ];
  return paths.flatMap((path) => {
    const text = readable(() => readFileSync(path, "utf8"));
    return text === undefined ? [] : [{ path, text }];
  });
}

/** The result, or undefined for what is missing or not for us to read: the configuration only offers addresses. */
function readable<Result>(work: () => Result): Result | undefined {
  try {
    return work();
  } catch (error) {
    const code = systemCodeOf(error);
    if (isMissing(error) || code === "EACCES" || code === "EISDIR") return undefined;
    throw error;
  }
}

/** `deb [options] uri suite component…`. @see sources.list(5), "ONE-LINE-STYLE FORMAT" */
function parseOneLine(text: string): AptEntry[] {
  return text.split("\n").flatMap((line) => {
    const [type, uri, suite, ...components] = line
      .replace(/#.*$/, "")
      .replace(/\[[^\]]*\]/, " ")
      .trim()
      .split(/\s+/);
    if (type !== "deb" || uri === undefined || suite === undefined) return [];
    return [{ uri, suite, components }];
  });
}

/** Stanzas of fields. @see sources.list(5), "DEB822-STYLE FORMAT" */
function parseDeb822(text: string): AptEntry[] {
  return text.split(/\n[ \t]*\n/).flatMap((stanza) => {
    const fields = deb822Fields(stanza);
    const enabled = !/^(no|false|0|off|disable|without)$/i.test(fields.get("enabled")?.[0] ?? "yes");
    if (!enabled || !(fields.get("types") ?? []).includes("deb")) return [];
    const components = fields.get("components") ?? [];
    return (fields.get("uris") ?? []).flatMap((uri) =>
      (fields.get("suites") ?? []).map((suite) => ({ uri, suite, components })),
    );
  });
}

/** The words of each field, by lower-case name. */
function deb822Fields(stanza: string): Map<string, string[]> {
  const fields = new Map<string, string[]>();
  let current: string[] = [];
  for (const line of stanza.split("\n")) {
    if (line.startsWith("#")) continue;
    const [, name, value] = /^([\w-]+):(.*)$/.exec(line) ?? [];
    if (name !== undefined) {
      current = [];
      fields.set(name.toLowerCase(), current);
    }
    current.push(...(value ?? line).split(/\s+/).filter((word) => word !== ""));
  }
  return fields;
}
