import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { openStore, StoreError } from "@cvm-build/store";
import { sha256Hex } from "@cvm-build/bytes";
import { describe, expect, it } from "vitest";
import { makeTestFolder } from "../../packages/store/src/store.fixture.ts";
import { requirePeers } from "../support/peers.ts";

/** Foundry's anvil as the registry publishes it; `integrity` is the registry's own statement. */
const ANVIL = {
  name: "anvil",
  source: {
    kind: "npm",
    package: "@foundry-rs/anvil-linux-amd64",
    version: "1.7.1",
    integrity: "sha512-+XmShybEaxfCrr0OUUZwYEy2OnYZt5pHH9TzBtLv3+VrK0O/ANuNSVEahqNhKHlgX7GRJ59383ofNhxkRWIYTg==",
  },
} as const;

describe("a real package of the npm registry", () => {
  it("is found through this user's registry, and holds the published program", async (context) => {
    if (!requirePeers("tar", "npm")) return context.skip("needs tar and npm");
    using folder = makeTestFolder();
    const options = { directory: join(folder.path, "store"), now: () => new Date(), environment: process.env };
    const store = openStore({ ...options, offline: false });
    const locked = await store.resolveArtifact(ANVIL, { baseDirectory: folder.path }).catch((error: unknown) => error);
    if (locked instanceof StoreError && locked.code === "unreachable" && !process.env["CI"]) {
      return context.skip("the registry cannot be reached");
    }
    expect(locked).toEqual({
      name: "anvil",
      kind: "npm",
      from: "@foundry-rs/anvil-linux-amd64@1.7.1",
      // Of the tarball with the integrity above, by sha256sum.
      sha256: "5727dd8f08f3bf6dde4ec1d9832e87c43f9315ef824bff1ab18486bf51bc7af3",
    });
    const path = store.objectPath((locked as { sha256: ReturnType<typeof sha256Hex> }).sha256);
    const program = execFileSync("tar", ["-xzOf", path, "package/bin/anvil"], { maxBuffer: 1 << 27 });
    expect(sha256Hex(program)).toBe("10c1c727d6c1de973aeb160e59875b9a9a23464d6e74149ee8abb30b3500311b");

    const offline = openStore({ ...options, offline: true });
    expect(await offline.resolveArtifact(ANVIL, { baseDirectory: folder.path })).toEqual(locked);
  });
});
