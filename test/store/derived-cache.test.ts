import { writeFileSync } from "node:fs";
import { sha256Hex } from "@cvm-build/bytes";
import type { DerivedCache } from "@cvm-build/fs-writer";
import type { ArtifactDeclaration } from "@cvm-build/profile";
import type { DeclaredArtifact } from "@cvm-build/store";
import { expect, it } from "vitest";
import { makeTestFolder, openTestStore } from "../../packages/store/src/store.fixture.ts";

it("a store is the cache that fs-writer asks for", () => {
  using folder = makeTestFolder();
  const cache: DerivedCache = openTestStore(folder.path);
  const temporaryPath = cache.reserve();
  writeFileSync(temporaryPath, "segment");
  const written = { temporaryPath, sizeBytes: 7, sha256: sha256Hex("segment"), meta: null };
  const object = cache.commit("segment", sha256Hex("key"), written);
  expect(cache.lookup("segment", sha256Hex("key"))).toEqual(object);
});

it("a store takes artefacts as profiles declare them", () => {
  const declaration: ArtifactDeclaration = {
    name: "tool",
    position: { file: "artifacts/tool.yaml" },
    source: { kind: "path", path: "tool" },
    files: [],
  };
  const declared: DeclaredArtifact = declaration;
  expect(declared.name).toBe("tool");
});
