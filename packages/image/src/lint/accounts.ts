import type { FileTree } from "@cvm-build/fs-writer";
import { readText } from "./units.ts";

/** An account, and how one gets into it. */
export interface Account {
  name: string;
  /** `none`: nobody is asked for one. */
  password: "none" | "set" | "locked";
  hasShell: boolean;
}

/** Programs that let nobody in. */
const NO_SHELL = /\/(nologin|false|true|sync|halt|shutdown)$/;

/** The accounts of an image. @see passwd(5), shadow(5) */
export function accountsOf(tree: FileTree): Account[] {
  const shadow = new Map(rowsOf(tree, "/etc/shadow").map(([name = "", password = ""]) => [name, password]));
  return rowsOf(tree, "/etc/passwd").map(([name = "", own = "", , , , , shell = ""]) => {
    const password = own === "x" ? (shadow.get(name) ?? "*") : own;
    return {
      name,
      password: password === "" ? "none" : /^[!*]/.test(password) ? "locked" : "set",
      hasShell: !NO_SHELL.test(shell),
    };
  });
}

/** Whether somebody can log in. */
export function canLogIn({ password, hasShell }: Account): boolean {
  return password !== "locked" && hasShell;
}

function rowsOf(tree: FileTree, path: string): string[][] {
  const lines = (readText(tree, path) ?? "").split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  return lines.map((line) => line.split(":"));
}
