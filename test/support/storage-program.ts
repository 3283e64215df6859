import { spawnSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { StorageSettings } from "@cvm-build/profile";
import { formatHeaderCheck } from "../../packages/rootfs/src/storage/header-check.ts";
import {
  HEADER_CHECK_PATH,
  STORAGE_PROGRAMS,
  STORAGE_SCRIPT,
} from "../../packages/rootfs/src/storage/storage-script.ts";
import { BUSYBOX_PATH } from "../../packages/rootfs/src/services/probe-script.ts";
import type { DebianRoot } from "./trixie-root.ts";

/** Packages of trixie whose programs the storage program needs here. */
export const STORAGE_PEERS = ["busybox", "cryptsetup-bin"];

/** The image's storage program under Debian's busybox and cryptsetup, in a folder in place of the root of a guest. */
export class StorageProgram {
  readonly #folder: string;
  readonly #busybox: string;
  readonly #program: string;

  /** @param folder stands for `/`: `sys`, `dev`, `run` and the policies of `.extra` are looked for in it; its TPM opens nothing */
  constructor(root: DebianRoot, folder: string, kind: Pick<StorageSettings, "key" | "integrity">) {
    this.#folder = folder;
    this.#busybox = wrap(root, join(folder, "busybox"), "usr/bin/busybox");
    const cryptsetup = wrap(root, join(folder, "cryptsetup"), "usr/sbin/cryptsetup");
    mkdirSync(join(folder, "run/cvm/storage"), { recursive: true });
    writeFileSync(join(folder, "luks-header.awk"), formatHeaderCheck(kind));
    this.#program = join(folder, "storage");
    const places = [
      [BUSYBOX_PATH, this.#busybox],
      [STORAGE_PROGRAMS.cryptsetup.path, cryptsetup],
      [STORAGE_PROGRAMS.udevadm.path, ":"],
      [STORAGE_PROGRAMS.systemdCryptsetup.path, ":"],
      [HEADER_CHECK_PATH, join(folder, "luks-header.awk")],
    ] as const;
    const script = places.reduce((text, [path, here]) => text.replaceAll(path, here), STORAGE_SCRIPT);
    writeFileSync(this.#program, script.replaceAll(/(?<=["= ])\/(?=(sys|dev|run)\/)/g, `${folder}/`));
  }

  /** Runs it with settings as its unit gives them. */
  run(args: readonly string[], settings: Record<string, string> = {}): { status: number | null; output: string } {
    const env = { PATH: "", POLICIES: join(this.#folder, ".extra"), ...settings };
    const { status, stdout, stderr } = spawnSync(this.#busybox, ["sh", this.#program, ...args], {
      encoding: "utf8",
      env,
    });
    return { status, output: `${stdout}${stderr}`.replaceAll(this.#folder, "").trim() };
  }
}

function wrap(root: DebianRoot, path: string, program: string): string {
  const libraries = join(root.path, "usr/lib/x86_64-linux-gnu");
  const loader = `${libraries}/ld-linux-x86-64.so.2 --library-path ${libraries}`;
  writeFileSync(path, `#!/bin/sh\nexec ${loader} ${root.path}/${program} "$@"\n`, { mode: 0o755 });
  return path;
}
