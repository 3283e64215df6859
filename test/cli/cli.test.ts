import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { COMMANDS } from "../../packages/cli/src/commands.ts";
import { cvmBuild, cvmBuildJson } from "../support/cli.ts";

describe("the command line", () => {
  it.each(COMMANDS.map(({ name }) => /^\S+/.exec([name].flat()[0] ?? "")?.[0] ?? ""))(
    "explains %s with examples",
    async (verb) => {
      const { exitCode, stdout } = await cvmBuild([verb, "--help"]);
      expect(exitCode).toBe(0);
      expect(stdout).toContain(`cvm-build ${verb}`);
      expect(stdout).toContain("Examples:");
      expect(stdout).toContain("--json");
    },
  );

  it("completes verbs and flags", async () => {
    const { stdout } = await cvmBuild(["--get-yargs-completions", "cvm-build", "pro"]);
    expect(stdout).toContain("prove");
    const script = await cvmBuild(["completion"]);
    expect(script).toMatchObject({ exitCode: 0, stderr: "" });
    expect(script.stdout).toContain("complete");
  });

  it.each([
    [["bild"], "bild"],
    [["bild"], "commands are build, summary"],
    [["build", "--profile"], "profile"],
    [["build", "--jobs", "1.5"], "expected a whole number, got 1.5"],
    [["build", "--profil", "minimal"], "profil"],
    [["build", "--set", "Hostname"], "NAME=VALUE"],
    [["inspect"], "cvm-build inspect --help"],
    [["release"], "key"],
    [["release", "--key", "k", "--builder-id", "me"], "expected a URI"],
    [["release", "--key", "k", "--build-time", "today"], "2026-05-28T08:49:23Z"],
    [["cache", "eat"], 'expected "prune", "verify" for action, got "eat"'],
    [["boot", "--forward", "99999"], "99999"],
  ])("refuses %j as wrong usage", async (args, named) => {
    const { exitCode, stdout, stderr } = await cvmBuild(args);
    expect(exitCode).toBe(2);
    expect(stdout).toBe("");
    expect(stderr).toMatch(/^error: cannot read /);
    expect(stderr).toContain(named);
  });

  it("prints one JSON document for machines, errors included, and paints only where asked", async () => {
    const { stdout } = await cvmBuild(["build", "--profile", "nobody", "--json"]);
    expect(JSON.parse(stdout)).toMatchObject({ error: { code: "profile-unknown-profile", exitCode: 2 } });
    expect((await cvmBuild(["build", "--profile", "nobody"])).stderr).not.toContain("\u001b[");
    expect((await cvmBuild(["build", "--profile", "nobody", "--color"])).stderr).toContain("\u001b[31m");
  });

  it.each([[["--help"]], [["build", "--help"]], [["--version"]], [["completion"]]])(
    "prints one JSON document for %j, too",
    async (args) => {
      const plain = await cvmBuild(args);
      const { exitCode, stdout } = await cvmBuild([...args, "--json"]);
      expect(exitCode).toBe(0);
      expect(`${(JSON.parse(stdout) as { text: string }).text}\n`).toBe(plain.stdout);
    },
  );

  it("speaks one language, whatever the user's is", async () => {
    const environment = { LANG: "de_DE.UTF-8", LC_ALL: "de_DE.UTF-8" };
    expect(await cvmBuild(["bild"], { environment })).toEqual(await cvmBuild(["bild"]));
  });

  it("says of what is no image what it is not", async () => {
    const { exitCode, stderr } = await cvmBuild(["inspect", "package.json"]);
    expect(exitCode).toBe(3);
    expect(stderr).toContain("cannot decode");
  });
});

describe("summary", () => {
  let tree: string;

  beforeAll(() => {
    tree = mkdtempSync(join(tmpdir(), "cvm-mkosi-"));
    mkdirSync(join(tree, "mkosi.conf.d"));
    writeFileSync(
      join(tree, "mkosi.conf"),
      "[Distribution]\nDistribution=debian\n\n[Content]\nPackages=systemd\nSsh=yes\n",
    );
    writeFileSync(join(tree, "mkosi.conf.d/10-more.conf"), "[Content]\nPackages=udev\n");
  });

  afterAll(() => rmSync(tree, { recursive: true, force: true }));

  it("names each value's file and line", async () => {
    const { stdout } = await cvmBuild(["summary", "--profile", "minimal"]);
    expect(stdout).toMatch(/Output\.ImageId\s+minimal\s+profiles\/minimal\/cvm\.conf:\d+/);
    expect(stdout).toMatch(/Distribution\.Release\s+trixie\s+profiles\/base\/cvm\.conf:\d+/);
  });

  it("reads a tree of mkosi's own and lists what is not supported", async () => {
    const summary = await cvmBuildJson<{
      profile: { content: { packages: string[] } };
      unsupported: { name: string; position: { file: string; line: number } }[];
    }>(["-C", tree, "summary"]);
    expect(summary.profile.content.packages).toEqual(["systemd", "udev"]);
    expect(summary.unsupported).toMatchObject([
      { name: 'Content.Ssh="yes"', position: { file: "mkosi.conf", line: 6 } },
    ]);
    expect((await cvmBuild(["-C", tree, "summary"])).stdout).toContain("not supported by cvm-build");
    const { exitCode, stderr } = await cvmBuild(["-C", tree, "build"]);
    expect(exitCode).toBe(2);
    expect(stderr).toContain("mkosi.conf:6");
  });
});
