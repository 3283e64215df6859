import type { FileTree } from "@cvm-build/fs-writer";
import { readContent } from "@cvm-build/fs-writer";

/** Which systemd reads the units: the system's own, or one a user. */
export type UnitScope = "system" | "user";

/** What an `[Install]` section asks for. */
export interface InstallSection {
  wantedBy: string[];
  requiredBy: string[];
  upheldBy: string[];
  alias: string[];
  also: string[];
  defaultInstance?: string;
}

/** Where links and masks of a scope go. */
export function configurationDirectory(scope: UnitScope): string {
  return `/etc/systemd/${scope}`;
}

/** Where units are looked for, first match first; /run is empty in an image. */
export function unitDirectories(scope: UnitScope): string[] {
  return [configurationDirectory(scope), `/usr/local/lib/systemd/${scope}`, `/usr/lib/systemd/${scope}`];
}

/** The file of a unit, or for an instance `foo@bar.service` without one, that of its template. */
export function findUnit(tree: FileTree, name: string, scope: UnitScope = "system"): string | undefined {
  const template = templateOf(name);
  for (const candidate of template === undefined ? [name] : [name, template]) {
    for (const directory of unitDirectories(scope)) {
      const path = `${directory}/${candidate}`;
      if (tree.follow(path)?.kind === "file") return path;
    }
  }
  return undefined;
}

/** Whether a unit is masked: linked to /dev/null, or empty. */
export function isMasked(tree: FileTree, name: string, scope: UnitScope = "system"): boolean {
  for (const directory of unitDirectories(scope)) {
    const node = tree.get(`${directory}/${name}`);
    if (!node) continue;
    if (node.kind === "symlink") return node.target === "/dev/null";
    return node.kind === "file" && node.content.sizeBytes === 0;
  }
  return false;
}

/** The `[Install]` section of a unit, its drop-ins included. */
export function readInstallSection(tree: FileTree, path: string): InstallSection {
  const install: InstallSection = { wantedBy: [], requiredBy: [], upheldBy: [], alias: [], also: [] };
  const name = path.slice(path.lastIndexOf("/") + 1);
  const dropIns = ["/usr/lib/systemd/system", "/etc/systemd/system"].flatMap((directory) =>
    tree.list(`${directory}/${name}.d`).map((file) => `${directory}/${name}.d/${file}`),
  );
  for (const file of [path, ...dropIns.filter((dropIn) => dropIn.endsWith(".conf"))]) {
    const node = tree.follow(file);
    if (node?.kind === "file") parseInstall(readContent(node.content).toString("utf8"), install);
  }
  return install;
}

/** `foo@.service` for `foo@bar.service`; undefined where the name is no instance. */
export function templateOf(name: string): string | undefined {
  const match = /^([^@]+@)[^.]+(?:\..*)?(\.[a-z]+)$/.exec(name) ?? /^([^@]+@).+(\.[a-z]+)$/.exec(name);
  return match ? `${match[1]}${match[2]}` : undefined;
}

const INSTALL_LISTS: Readonly<Record<string, "wantedBy" | "requiredBy" | "upheldBy" | "alias" | "also">> = {
  WantedBy: "wantedBy",
  RequiredBy: "requiredBy",
  UpheldBy: "upheldBy",
  Alias: "alias",
  Also: "also",
};

function parseInstall(text: string, install: InstallSection): void {
  let isInstall = false;
  for (const line of text.replace(/\\\n/g, " ").split("\n")) {
    const section = /^\[(.+)\]\s*$/.exec(line);
    if (section) isInstall = section[1] === "Install";
    const setting = isInstall ? /^([A-Za-z]+)\s*=\s*(.*?)\s*$/.exec(line) : null;
    if (!setting) continue;
    const [, name = "", value = ""] = setting;
    const list = INSTALL_LISTS[name];
    if (name === "DefaultInstance") install.defaultInstance = value;
    else if (list && value === "") install[list] = [];
    else if (list) install[list].push(...value.split(/\s+/));
  }
}
