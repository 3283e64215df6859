import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadProfile } from "@cvm-build/profile";
import { describe, expect, test } from "vitest";
import { hasMkosiPeer, openMkosiPeer } from "./mkosi-peer.ts";
import { Choices, writeRandomTree } from "./random-tree.ts";

const TREES = 24;

/** What both say of a configuration, under mkosi's names. */
const COMPARED = [
  "Autologin",
  "CompressLevel",
  "Environment",
  "ExtraTrees",
  "Hostname",
  "ImageId",
  "ImageVersion",
  "KernelCommandLine",
  "Locale",
  "Packages",
  "PassEnvironment",
  "Profiles",
  "RemoveFiles",
  "RemovePackages",
  "RootShell",
  "Timezone",
  "WithDocs",
  "WithRecommends",
];

function ourSummary(directory: string, profiles: readonly string[], settings: { name: string; value: string }[]) {
  const loaded = loadProfile({
    directory,
    profiles,
    settings,
    hostArchitecture: "x86-64",
    ignoreUnsupported: false,
    invocationDirectory: directory,
    environment: {},
  });
  return Object.fromEntries(
    loaded.settings
      .filter(({ name }) => COMPARED.includes(name))
      .map(({ name, value, isDefault }) => {
        // Only these two have a default that mkosi does not know.
        const isOurDefault = isDefault && (name === "ImageId" || name === "ImageVersion");
        return [name, isOurDefault || value === undefined ? null : value];
      }),
  );
}

/** Brings mkosi's summary into the form of ours. */
function theirSummary(summary: Record<string, unknown>) {
  const spell = (value: unknown): unknown => {
    if (typeof value === "boolean") return value ? "yes" : "no";
    return typeof value === "number" ? String(value) : value;
  };
  return Object.fromEntries(
    COMPARED.map((name) => {
      const value = summary[name];
      if (name === "Packages") return [name, [...new Set(value as string[])].sort()];
      if (name === "Environment")
        return [
          name,
          Object.entries(value as object)
            .map((entry) => entry.join("="))
            .sort(),
        ];
      if (name === "ExtraTrees") return [name, (value as { Source: string }[]).map((tree) => tree.Source)];
      return [name, spell(value)];
    }),
  );
}

describe.skipIf(!process.env["CI"] && !hasMkosiPeer())("against mkosi itself", () => {
  test(`${TREES} random configurations mean the same`, async () => {
    using peer = openMkosiPeer();
    const root = mkdtempSync(join(tmpdir(), "cvm-profile-"));
    try {
      for (let seed = 1; seed <= TREES; seed++) {
        const choices = new Choices(seed * 7919);
        const directory = join(root, String(seed));
        mkdirSync(directory);
        writeRandomTree(directory, choices);
        const profiles = choices.of([[], ["p"], ["q"], ["q", "p"]]);
        const [option, setting] = choices.of([
          [[], []],
          [["--package=cli"], [{ name: "Packages", value: "cli" }]],
          [["--kernel-command-line="], [{ name: "Content.KernelCommandLine", value: "" }]],
          [["--hostname=cli"], [{ name: "Hostname", value: "cli" }]],
        ] as const);
        const theirs = await peer.summary(directory, [...profiles.map((name) => `--profile=${name}`), ...option]);
        expect(theirs, `seed ${seed}`).toBeDefined();
        expect(ourSummary(directory, profiles, [...setting]), `seed ${seed}`).toEqual(theirSummary(theirs!));
      }
    } finally {
      rmSync(root, { recursive: true, force: true });
    }
  });
});
