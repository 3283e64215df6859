import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openStore } from "@cvm-build/store";
import { afterAll, describe, expect, it } from "vitest";
import { findPlatform } from "./find-platform.ts";

describe("findPlatform with a cache", () => {
  const directory = mkdtempSync(join(tmpdir(), "cvm-build-find-platform-"));
  afterAll(() => rmSync(directory, { recursive: true }));
  const cache = openStore({
    directory: join(directory, "store"),
    now: () => new Date(0),
    offline: true,
    environment: {},
  });
  const places = { directory, configsDirectory: "/nowhere" };
  mkdirSync(join(directory, "platforms"));
  const write = (text: string) => writeFileSync(join(directory, "platforms/rack.yaml"), text);
  const find = () => findPlatform("rack", { ...places, cache });

  it("gives what the file says, at first, again and when it has changed", () => {
    write("description: a machine of ours\nmachine: { memory: 2G, cpus: 4 }\nfirmware: { file: OVMF.fd }\n");
    const plain = findPlatform("rack", places);
    expect(plain.machine).toEqual({ memoryBytes: 2 ** 31, cpus: 4 });
    expect([find(), find()]).toEqual([plain, plain]);
    write("description: a machine of ours\nmachine: { memory: 4G }\n");
    expect([find(), find()]).toEqual([findPlatform("rack", places), findPlatform("rack", places)]);
    expect(find().machine).toEqual({ memoryBytes: 2 ** 32 });
  });

  it("says each time what is wrong with a file", () => {
    write("description: a machine of ours\nmachine: { memory: much }\n");
    for (const _ of [1, 2]) expect(find).toThrow("memory");
  });
});
