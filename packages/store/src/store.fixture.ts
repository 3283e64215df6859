import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openStore, type Store, type StoreOptions } from "./store.ts";

/** When tests take place. */
export const NOW = new Date("2026-11-20T12:00:00Z");

/** A folder that is removed with its test. */
export interface TestFolder extends Disposable {
  path: string;
}

/** A fresh folder. */
export function makeTestFolder(): TestFolder {
  const path = mkdtempSync(join(tmpdir(), "cvm-store-"));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}

/** An address at which nobody listens (and that `fetch` does not refuse by itself, as it does with the port of discard). */
export const NOBODY = "http://127.0.0.1:2";

/** A store that knows no mirror but those that the test names, and is not patient. */
export function openTestStore(directory: string, options: Partial<StoreOptions> = {}): Store {
  return openStore({
    directory,
    now: () => NOW,
    offline: false,
    environment: {},
    aptDirectory: join(directory, "no-apt"),
    hostKeyrings: join(directory, "no-keyrings"),
    archives: { main: NOBODY, security: NOBODY, snapshot: NOBODY },
    retry: { attempts: 3, firstDelayMs: 1 },
    ...options,
  });
}

/** The files of a store's folder, sorted: `objects`, `partial`, `temporary` … */
export function filesIn(directory: string, folder: string): string[] {
  if (!existsSync(join(directory, folder))) return [];
  return readdirSync(join(directory, folder), { recursive: true, encoding: "utf8", withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(join(directory, folder).length + 1))
    .sort();
}
