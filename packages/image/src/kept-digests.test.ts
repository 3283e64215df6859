import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { HASH_ALGORITHMS, digest, sha256Hex } from "@cvm-build/bytes";
import { openStore } from "@cvm-build/store";
import { afterAll, describe, expect, it } from "vitest";
import { keptDigests } from "./kept-digests.ts";

describe("keptDigests", () => {
  const directory = mkdtempSync(join(tmpdir(), "cvm-build-kept-digests-"));
  afterAll(() => rmSync(directory, { recursive: true }));
  const store = openStore({ directory, now: () => new Date(0), offline: true, environment: {} });
  const kept = keptDigests(store);
  const bytes = Buffer.from("a kernel");
  const sha256 = sha256Hex(bytes);
  const equal = Object.fromEntries(HASH_ALGORITHMS.map((bank) => [bank, digest(bank, bytes).toString("hex")]));

  it("finds again what was kept", () => {
    expect(kept.lookup(sha256)).toBeUndefined();
    kept.keep(sha256, equal);
    expect(kept.lookup(sha256)).toEqual(equal);
  });

  it.each([
    ["digests of other bytes", { ...equal, sha256: sha256Hex("") }],
    ["a digest of another length", { ...equal, sha384: equal["sha256"] }],
    ["an unknown algorithm", { ...equal, md5: "00" }],
    ["no digests", "none"],
  ])("finds nothing where there is %s", (_, meta) => {
    const temporaryPath = store.reserve();
    store.commit("digests", sha256, { temporaryPath, sizeBytes: 0, sha256: sha256Hex(""), meta });
    expect(kept.lookup(sha256)).toBeUndefined();
  });
});
