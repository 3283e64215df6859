import type { FileTree } from "@cvm-build/fs-writer";
import type { PackageFinisher } from "../finisher.ts";
import type { ShellValue } from "../scripts/shell-state.ts";
import { finisherEditor } from "./editor.ts";

const TEMPLATE = "/usr/share/libc-bin/nsswitch.conf";
/** For an image with glibc and without libc-bin: glibc's own default asks DNS before /etc/hosts. */
const FALLBACK = `passwd:         files
group:          files
shadow:         files
gshadow:        files

hosts:          files dns
networks:       files
`;
const TARGET = "/etc/nsswitch.conf";

/** A service that a libnss package adds to a database, as dh_installnss puts it into words. */
export interface NameService {
  database: string;
  /** With its action, where it has one: `resolve [!UNAVAIL=return]`. */
  service: string;
  /** At the end, or beside the first of `services` that is there. */
  position: { kind: "last" } | { kind: "before" | "after"; services: string[] };
}

/** `/^shadow:…/ s/$/ systemd/` */
const APPEND = /^\/\^(\w+):\\s\[\^#\]\*\$\/ s\/\$\/ (\S+)\/$/;
/** `/^hosts:…/ s/(\s)(dns(…)?|…)(\s|$)/<replacement>/`, where `\2` in the replacement is the service found. */
const INSERT = /^\/\^(\w+):\\s\[\^#\]\*\$\/ s\/\(\\s\)\((.+)\)\(\\s\|\$\)\/\\1(.+?) ?\/$/;

/**
 * Reads the `sed -i nsswitch.conf` commands that dh_installnss writes.
 * @returns undefined where it is another command or an edit of another shape
 * @see dh_installnss(1)
 */
export function parseNameServiceEdit([command, ...words]: readonly ShellValue[]): NameService[] | undefined {
  if (command !== "sed" || !words.includes(TARGET) || words.includes(undefined)) return undefined;
  const scripts = (words as string[]).filter((_, index) => words[index - 1] === "-e");
  const services = scripts.flatMap((script) => parseSedScript(script) ?? []);
  return services.length > 0 ? services : undefined;
}

function parseSedScript(script: string): NameService[] | undefined {
  const append = APPEND.exec(script);
  if (append) return [{ database: append[1]!, service: append[2]!, position: { kind: "last" } }];
  const insert = INSERT.exec(script);
  if (!insert) return undefined;
  const [, database = "", found = "", replacement = ""] = insert;
  const services = found.replaceAll(String.raw`(\s+\[[^]]+\])?`, "").split("|");
  const service = replacement
    .replace("\\2", "")
    .replace(/\\([[\]])/g, "$1")
    .trim();
  const kind = replacement.startsWith("\\2") ? "after" : "before";
  return /^[\w-]+( \[[^\]]*\])?$/.test(service) ? [{ database, service, position: { kind, services } }] : undefined;
}

function hasGlibc(tree: FileTree): boolean {
  const directories = ["/usr/lib", "/usr/lib64", ...tree.list("/usr/lib").map((name) => `/usr/lib/${name}`)];
  return directories.some((directory) => tree.has(`${directory}/libc.so.6`));
}

/** Adds a service to its database's line, unless it is there. */
export function insertNameService(text: string, { database, service, position }: NameService): string {
  const name = service.split(/\s/)[0]!;
  return text
    .split("\n")
    .map((line) => {
      const match = /^(\w+:\s*)([^#]*?)(\s*#.*)?$/.exec(line);
      if (!match || !line.startsWith(`${database}:`)) return line;
      const items: string[] = match[2]!.match(/\[[^\]]*\]|\S+/g) ?? [];
      if (items.includes(name)) return line;
      items.splice(placeOf(items, position), 0, service);
      return `${match[1]}${items.join(" ")}${match[3] ?? ""}`;
    })
    .join("\n");
}

function placeOf(items: string[], position: NameService["position"]): number {
  if (position.kind === "last") return items.length;
  const at = items.findIndex((item) => position.services.includes(item));
  if (at < 0) return items.length;
  if (position.kind === "before") return at;
  const hasAction = items[at + 1]?.startsWith("[") ?? false;
  return hasAction ? at + 2 : at + 1;
}

/** /etc/nsswitch.conf: Debian's default and the services that libnss packages add to it. */
export const nameServiceSwitchFinisher: PackageFinisher = {
  name: "name-service-switch",
  replaces: ["libc-bin.postinst", "dh_installnss"],
  finish(tree, context) {
    const editor = finisherEditor(tree, this.name, context);
    if (editor.has(TARGET) || !hasGlibc(tree)) return editor.effect("left as it is");
    let text = editor.readText(TEMPLATE) ?? FALLBACK;
    const services = context.commands.flatMap(({ argv }) => parseNameServiceEdit(argv) ?? []);
    for (const service of services) text = insertNameService(text, service);
    editor.writeFile(TARGET, text);
    return editor.effect(
      services.map(({ database, service }) => `${database} asks ${service}`).join(", ") || "default",
    );
  },
};
