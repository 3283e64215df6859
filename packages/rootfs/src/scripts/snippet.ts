import type { MaintainerCommand } from "./maintainer-command.ts";

/** What a row may ask of the image. */
export interface ImageFacts {
  /** Whether something stands at a path of the finished tree. */
  has(path: string): boolean;
}

/** What is known about a kind of command in maintainer scripts. */
export interface Snippet {
  /** Names of the command; absent: any. */
  commands?: readonly string[];
  /** Packages it is said of; absent: all. */
  packages?: readonly string[];
  /** Whether the command is one of these; absent: yes. */
  when?: (command: MaintainerCommand, facts: ImageFacts) => boolean;
  /** Whether redirections into files are part of it. Otherwise a command that writes a file is none of these. */
  writes?: boolean;
  class: "handled" | "harmless";
  /** The finisher that does it, or why it can be left out. */
  by: string;
}

/** The command's arguments; unknown ones are empty. */
export function argumentsOf({ argv }: MaintainerCommand): string[] {
  return argv.slice(1).map((word) => word ?? "");
}

/** What the command acts on by custom: the file it writes, or its last argument. */
export function targetOf(command: MaintainerCommand): string {
  return command.writes.at(-1) ?? argumentsOf(command).at(-1) ?? "";
}

/** A condition: the last argument matches. */
export function lastIs(pattern: RegExp): (command: MaintainerCommand) => boolean {
  return (command) => pattern.test(argumentsOf(command).at(-1) ?? "");
}

/** A condition: one of the arguments matches. */
export function someIs(pattern: RegExp): (command: MaintainerCommand) => boolean {
  return (command) => argumentsOf(command).some((word) => pattern.test(word));
}
