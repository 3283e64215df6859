import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { sha256Hex } from "@cvm-build/bytes";
import { describe, expect, it } from "vitest";
import { layoutOf, makeFolder } from "../objects/layout.ts";
import { makeTestFolder } from "../store.fixture.ts";
import { PartialFile, removeAttempts } from "./partial-file.ts";

const BYTES = Buffer.from("a package");

describe("an attempt that another build clears away", () => {
  it.each([
    ["before it is open", 0],
    ["while it takes over what is there", 1],
    ["while it takes over what is there, later", 2],
    ["when it is open", 10],
  ])("goes on %s", async (_, turns) => {
    using folder = makeTestFolder();
    const layout = layoutOf(folder.path);
    const key = sha256Hex(BYTES);
    makeFolder(layout.partial);
    writeFileSync(join(layout.partial, `${key}.earlier`), BYTES.subarray(0, 4));
    const opening = PartialFile.open(layout, { key, algorithm: "sha256", maxBytes: 100 });
    for (let turn = 0; turn < turns; turn++) await new Promise(setImmediate);
    removeAttempts(layout, key);
    const file = await opening;
    await file.append(BYTES.subarray(file.sizeBytes));
    expect(file.sha256()).toBe(key);
    await file.discard();
  });
});
