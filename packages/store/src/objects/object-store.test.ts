import { chmodSync, existsSync, readFileSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { sha256Hex } from "@cvm-build/bytes";
import { describe, expect, it } from "vitest";
import { filesIn, makeTestFolder, NOW, openTestStore } from "../store.fixture.ts";

const BYTES = Buffer.from("bytes of an object");
const SHA256 = sha256Hex(BYTES);

describe("an object", () => {
  it("is found by its digest and size", () => {
    using folder = makeTestFolder();
    const store = openTestStore(folder.path);
    expect(store.find(SHA256)).toBeUndefined();
    const object = store.put(BYTES);
    expect(object).toEqual({ sha256: SHA256, sizeBytes: BYTES.length, path: store.objectPath(SHA256) });
    expect(store.find(SHA256, BYTES.length)).toEqual(object);
    expect(store.read(SHA256).equals(BYTES)).toBe(true);
    expect(filesIn(folder.path, "temporary")).toEqual([]);
  });

  it("of a wrong size is moved away when it is looked for", () => {
    using folder = makeTestFolder();
    const store = openTestStore(folder.path);
    const { path } = store.put(BYTES);
    writeFileSync(path, BYTES.subarray(1));
    expect(store.find(SHA256, BYTES.length)).toBeUndefined();
    expect(existsSync(path)).toBe(false);
    expect(filesIn(folder.path, "damaged")).toEqual([SHA256]);
  });

  it("of wrong bytes is moved away when it is read, and can be put again", () => {
    using folder = makeTestFolder();
    const store = openTestStore(folder.path);
    const { path } = store.put(BYTES);
    writeFileSync(path, BYTES.toString().toUpperCase());
    expect(() => store.read(SHA256)).toThrow(
      expect.objectContaining({ code: "damaged", message: expect.stringContaining(`object "${SHA256}"`) }),
    );
    expect(() => store.read(SHA256)).toThrow(expect.objectContaining({ code: "not-found" }));
    store.put(BYTES);
    expect(store.read(SHA256).equals(BYTES)).toBe(true);
  });

  it("is verified before use", async () => {
    using folder = makeTestFolder();
    const store = openTestStore(folder.path);
    const { path } = store.put(BYTES);
    const other = store.put(Buffer.from("other")).sha256;
    const absent = sha256Hex("absent");
    expect(await store.verify([SHA256, other])).toEqual([]);
    writeFileSync(path, BYTES.toString().toUpperCase());
    expect(await store.verify([SHA256, other, absent])).toEqual([SHA256, absent]);
    expect(store.find(SHA256)).toBeUndefined();
  });

  it("remembers when it was last used, by the hour", () => {
    using folder = makeTestFolder();
    const store = openTestStore(folder.path);
    const { path } = store.put(BYTES);
    const longAgo = new Date("2020-01-01T00:00:00Z");
    utimesSync(path, longAgo, longAgo);
    store.find(SHA256);
    expect(statSync(path).mtime).toEqual(NOW);
    const justNow = new Date(NOW.getTime() - 60_000);
    utimesSync(path, justNow, justNow);
    store.find(SHA256);
    expect(statSync(path).mtime).toEqual(justNow);
  });
});

describe("a derived object", () => {
  const key = sha256Hex("key");
  const makeDerived = (directory: string, text = "derived") => {
    const store = openTestStore(directory);
    const temporaryPath = store.reserve();
    writeFileSync(temporaryPath, text);
    const written = { temporaryPath, sizeBytes: text.length, sha256: sha256Hex(text), meta: { entries: [1, "two"] } };
    return { store, object: store.commit("payload", key, written) };
  };

  it("is found with what its producer noted", () => {
    using folder = makeTestFolder();
    const { object } = makeDerived(folder.path);
    expect(object).toEqual({
      path: join(folder.path, "derived", "payload", key),
      sizeBytes: 7,
      sha256: sha256Hex("derived"),
      meta: { entries: [1, "two"] },
    });
    expect(openTestStore(folder.path).lookup("payload", key)).toEqual(object);
    expect(openTestStore(folder.path).lookup("segment", key)).toBeUndefined();
    expect(readFileSync(object.path, "utf8")).toBe("derived");
    expect(filesIn(folder.path, "temporary")).toEqual([]);
  });

  it("of a wrong size, or with a torn note, is none", () => {
    using folder = makeTestFolder();
    const { store, object } = makeDerived(folder.path);
    writeFileSync(object.path, "torn");
    expect(store.lookup("payload", key)).toBeUndefined();
    makeDerived(folder.path);
    for (const note of ["", "{", "null", "[]", '{"sizeBytes":7}', '{"sizeBytes":"7","sha256":"x","meta":{}}']) {
      writeFileSync(`${object.path}.json`, note);
      expect(store.lookup("payload", key), note).toBeUndefined();
    }
  });

  it("with a note that was changed is none: permissions and owners are only there", () => {
    using folder = makeTestFolder();
    const { store, object } = makeDerived(folder.path);
    const path = `${object.path}.json`;
    const note = readFileSync(path, "utf8");
    writeFileSync(path, note.replace("two", "six"));
    expect(store.lookup("payload", key)).toBeUndefined();
    writeFileSync(path, note);
    expect(store.lookup("payload", key)).toEqual(object);
  });

  it("is replaced by whoever commits it again, and forgotten when it is discarded", () => {
    using folder = makeTestFolder();
    makeDerived(folder.path);
    const { store } = makeDerived(folder.path, "another");
    expect(store.lookup("payload", key)?.sha256).toBe(sha256Hex("another"));
    store.discard("payload", key);
    expect(store.lookup("payload", key)).toBeUndefined();
    expect(filesIn(folder.path, "derived")).toEqual([]);
  });

  it("has a path that nobody else has", () => {
    using folder = makeTestFolder();
    const stores = [openTestStore(folder.path), openTestStore(folder.path)];
    const paths = Array.from({ length: 50 }, (_, index) => stores[index % 2]?.reserve());
    expect(new Set(paths).size).toBe(50);
  });
});

describe("a store that cannot be written", () => {
  it.skipIf(process.getuid?.() === 0)("says so", () => {
    using folder = makeTestFolder();
    chmodSync(folder.path, 0o555);
    expect(() => openTestStore(join(folder.path, "store"))).toThrow(
      expect.objectContaining({ code: "store-unusable", hint: expect.stringContaining("--cache-dir") }),
    );
    chmodSync(folder.path, 0o755);
  });

  it("says so where a file is in its place", () => {
    using folder = makeTestFolder();
    writeFileSync(join(folder.path, "store"), "");
    expect(() => openTestStore(join(folder.path, "store"))).toThrow(
      expect.objectContaining({ code: "store-unusable" }),
    );
  });
});
