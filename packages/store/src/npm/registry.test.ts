import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { makeTestFolder } from "../store.fixture.ts";
import { registryFor } from "./registry.ts";

/** Where each place that may name a registry would have it named. */
interface Places {
  environment?: Record<string, string>;
  project?: string;
  user?: string;
  /** What a program named npm prints; none: there is no such program. */
  npm?: string;
}

async function registryIn(places: Places, packageName = "left-pad"): Promise<string> {
  using folder = makeTestFolder();
  for (const name of ["project", "home", "bin"]) mkdirSync(join(folder.path, name));
  if (places.project !== undefined) writeFileSync(join(folder.path, "project/.npmrc"), places.project);
  if (places.user !== undefined) writeFileSync(join(folder.path, "home/.npmrc"), places.user);
  if (places.npm !== undefined) {
    writeFileSync(
      join(folder.path, "bin/npm"),
      `#!/bin/sh\n[ "$*" = "config get registry" ] && echo "${places.npm}"\n`,
    );
    chmodSync(join(folder.path, "bin/npm"), 0o755);
  }
  const environment = { HOME: join(folder.path, "home"), PATH: join(folder.path, "bin"), ...places.environment };
  return await registryFor(packageName, { environment, baseDirectory: join(folder.path, "project") });
}

describe("the npm registry", () => {
  const all: Places = {
    environment: { npm_config_registry: "https://environment.example/" },
    project: "registry=https://project.example/npm/\n",
    user: "fund=false\nregistry = https://user.example\n",
    npm: "https://npm.example/",
  };

  it.each<[string, Places, string]>([
    ["the environment", all, "https://environment.example"],
    ["the environment in capitals", { environment: { NPM_CONFIG_REGISTRY: "http://e.example" } }, "http://e.example"],
    ["the project's .npmrc", { ...all, environment: {} }, "https://project.example/npm"],
    ["the user's .npmrc", { user: all.user as string, npm: all.npm as string }, "https://user.example"],
    ["npm itself", { npm: "https://npm.example/" }, "https://npm.example"],
    ["its public name", {}, "https://registry.yarnpkg.com"],
    ["its public name where npm says nothing", { npm: "undefined" }, "https://registry.yarnpkg.com"],
    [
      "a variable",
      { project: "registry=${WHERE}/x", environment: { WHERE: "https://v.example" } },
      "https://v.example/x",
    ],
    [
      "not from a comment",
      { project: "#registry=https://c.example\n; registry=https://d.example" },
      "https://registry.yarnpkg.com",
    ],
  ])("is taken from %s", async (_, places, expected) => {
    expect(await registryIn(places)).toBe(expected);
  });

  it("may be a scope's own", async () => {
    const project = "registry=https://all.example\n@foundry-rs:registry=https://scope.example/\n";
    expect(await registryIn({ project }, "@foundry-rs/anvil")).toBe("https://scope.example");
    expect(await registryIn({ project }, "@other/anvil")).toBe("https://all.example");
  });
});
