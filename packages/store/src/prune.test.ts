import { existsSync, mkdirSync, readdirSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { sha256Hex } from "@cvm-build/bytes";
import { describe, expect, it } from "vitest";
import { filesIn, makeTestFolder, NOW, openTestStore } from "./store.fixture.ts";

const HOUR_MS = 3_600_000;

function age(path: string, hours: number) {
  const date = new Date(NOW.getTime() - hours * HOUR_MS);
  utimesSync(path, date, date);
}

/** A store with three objects and a derived one, of 10 bytes each, used 1, 2, 3 and 4 hours ago. */
function makeStore(directory: string) {
  const store = openTestStore(directory);
  const objects = [1, 2, 3].map((hours) => {
    const object = store.put(Buffer.alloc(10, hours));
    age(object.path, hours);
    return object;
  });
  const temporaryPath = store.reserve();
  const text = "derived 10";
  writeFileSync(temporaryPath, text);
  const written = { temporaryPath, sizeBytes: 10, sha256: sha256Hex(text), meta: {} };
  const derived = store.commit("payload", sha256Hex("key"), written);
  age(derived.path, 4);
  return { store, objects, derived };
}

describe("prune", () => {
  it("removes nothing where there is room", () => {
    using folder = makeTestFolder();
    const { store } = makeStore(folder.path);
    expect(store.prune({ maxBytes: 40 })).toEqual({ removedFiles: 0, removedBytes: 0, keptFiles: 4, keptBytes: 40 });
  });

  it("removes what was used longest ago, notes included", () => {
    using folder = makeTestFolder();
    const { store, objects, derived } = makeStore(folder.path);
    expect(store.prune({ maxBytes: 25 })).toEqual({ removedFiles: 2, removedBytes: 20, keptFiles: 2, keptBytes: 20 });
    expect(objects.map(({ path }) => existsSync(path))).toEqual([true, true, false]);
    expect(readdirSync(join(derived.path, ".."))).toEqual([]);
  });

  it("removes everything where nothing may stay", () => {
    using folder = makeTestFolder();
    const { store } = makeStore(folder.path);
    expect(store.prune({ maxBytes: 0 })).toMatchObject({ removedFiles: 4, keptFiles: 0, keptBytes: 0 });
    expect(filesIn(folder.path, ".")).toEqual([]);
  });

  it("clears away what crashes left behind, but not what is being written", () => {
    using folder = makeTestFolder();
    const { store } = makeStore(folder.path);
    const put = (name: string, hours: number) => {
      mkdirSync(join(folder.path, name, ".."), { recursive: true });
      writeFileSync(join(folder.path, name), "left");
      age(join(folder.path, name), hours);
    };
    put("temporary/old", 25);
    put("temporary/new", 1);
    put("partial/old", 25);
    put("partial/new", 1);
    put("damaged/any", 0);
    expect(store.prune({ maxBytes: 40 })).toMatchObject({ removedFiles: 3, removedBytes: 12, keptFiles: 4 });
    expect(["temporary", "partial", "damaged"].map((name) => filesIn(folder.path, name))).toEqual([
      ["new"],
      ["new"],
      [],
    ]);
  });
});

describe("verifyAll", () => {
  it("finds a sound store sound", async () => {
    using folder = makeTestFolder();
    const { store } = makeStore(folder.path);
    expect(await store.verifyAll()).toEqual({ checkedFiles: 4, checkedBytes: 40, damaged: [] });
  });

  it("finds what is damaged and clears it away", async () => {
    using folder = makeTestFolder();
    const { store, objects, derived } = makeStore(folder.path);
    const [first] = objects;
    writeFileSync(first?.path as string, "changed 10");
    writeFileSync(derived.path, "Derived 10");
    writeFileSync(join(folder.path, "objects", "stray"), "stray");
    const { damaged } = await store.verifyAll();
    expect(damaged.map(({ path }) => path).sort()).toEqual(
      [
        `objects/${first?.sha256.slice(0, 2)}/${first?.sha256.slice(2)}`,
        "objects/stray",
        `derived/payload/${sha256Hex("key")}`,
      ].sort(),
    );
    expect(damaged).toContainEqual(
      expect.objectContaining({ expected: first?.sha256, found: sha256Hex("changed 10") }),
    );
    expect(await store.verifyAll()).toMatchObject({ checkedFiles: 2, damaged: [] });
  });

  it("calls it no damage where a build was killed before it could note what it had made", async () => {
    using folder = makeTestFolder();
    const { store, derived } = makeStore(folder.path);
    rmSync(`${derived.path}.json`);
    expect(await store.verifyAll()).toMatchObject({ checkedFiles: 4, damaged: [] });
    expect(existsSync(derived.path)).toBe(false);
  });

  it("finds a derived object that was cut short", async () => {
    using folder = makeTestFolder();
    const { store, derived } = makeStore(folder.path);
    writeFileSync(derived.path, "short");
    expect((await store.verifyAll()).damaged).toHaveLength(1);
  });
});
