/** An entry of GRUB's menu that starts a kernel. */
export interface GrubEntry {
  title: string;
  kernelPath: string;
  initrdPath: string | undefined;
  /** The kernel's path and its command line, as GRUB passes them on. */
  commandLine: string;
}

/** A configuration of which every command is known. */
export interface GrubConfiguration {
  /** What is executed at the top, in order, as GRUB writes it. */
  commands: { command: string; entry?: GrubEntry }[];
  /** Index of the entry that is started. */
  defaultEntry: number;
}

/** Text in which GRUB expands nothing. */
const PLAIN = /^[A-Za-z0-9_./:=,@%+\t -]*$/;
const SET = /^set ([A-Za-z_][A-Za-z0-9_]*)=([A-Za-z0-9_./-]*)$/;
const MENUENTRY = /^menuentry (?:"([^"$\\`]*)"|'([^']*)'|([A-Za-z0-9_.-]+)) \{$/;
const MAX_LINES = 10_000;

/**
 * Reads a `grub.cfg` that holds nothing but `set` and `menuentry` with `linux` and `initrd`.
 * @returns undefined where it holds anything else
 * @see GRUB 2.12 manual, "Writing full configuration files directly"
 */
export function parseGrubConfiguration(text: string): GrubConfiguration | undefined {
  const lines = text.split("\n", MAX_LINES + 1);
  if (lines.length > MAX_LINES) return undefined;
  const configuration: GrubConfiguration = { commands: [], defaultEntry: 0 };
  for (let index = 0; index < lines.length; index++) {
    const line = (lines[index] ?? "").trim();
    if (line === "" || line.startsWith("#")) continue;
    const [, name, value] = SET.exec(line) ?? [];
    if (name !== undefined) {
      if (name === "default" && !/^[0-9]{1,4}$/.test(value ?? "")) return undefined;
      if (name === "default") configuration.defaultEntry = Number(value);
      configuration.commands.push({ command: line });
      continue;
    }
    const end = lines.indexOf("}", index);
    const [opening, ...titles] = MENUENTRY.exec(line) ?? [];
    const title = titles.find((found) => found !== undefined);
    if (opening === undefined || title === undefined || end < 0) return undefined;
    const body = lines.slice(index + 1, end);
    const entry = parseEntry(title, body);
    if (!entry) return undefined;
    // GRUB writes arguments without their quotes, and a block as it stands.
    configuration.commands.push({ command: `menuentry ${title} {\n${body.join("\n")}\n}`, entry });
    index = end;
  }
  return configuration;
}

/** The entry that is started. */
export function chosenEntry({ commands, defaultEntry }: GrubConfiguration): GrubEntry | undefined {
  return commands.flatMap(({ entry }) => entry ?? [])[defaultEntry];
}

function parseEntry(title: string, body: readonly string[]): GrubEntry | undefined {
  const commands = body.map((line) => line.trim().split(/[ \t]+/));
  const [linux, initrd, ...more] = commands;
  if (more.length > 0 || linux?.[0] !== "linux" || linux[1] === undefined) return undefined;
  if (initrd && (initrd[0] !== "initrd" || initrd.length !== 2)) return undefined;
  if (!body.every((line) => PLAIN.test(line))) return undefined;
  return { title, kernelPath: linux[1], initrdPath: initrd?.[1], commandLine: linux.slice(1).join(" ") };
}
