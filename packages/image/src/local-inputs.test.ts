import { join } from "node:path";
import { expect, test } from "vitest";
import { suppliedArtifacts } from "./local-inputs.ts";
import { makeProject } from "./project.fixture.ts";

test("files that stand in for artefacts are named as they were typed", () => {
  using project = makeProject({
    "cvm.conf": "[Distribution]\nDistribution=debian\nRelease=trixie\n",
    "artifacts/tool.yaml": "path: ../tool.bin\nfiles:\n  - to: /usr/bin/tool\n",
  });
  const surroundings = { ...project.surroundings, invocationDirectory: join(project.path, "elsewhere") };
  const context = { profile: project.load(), surroundings };
  expect([...suppliedArtifacts(new Map([["tool", "../mine.bin"]]), context)]).toEqual([
    ["tool", join(project.path, "mine.bin")],
  ]);
  expect(() => suppliedArtifacts(new Map([["toll", "mine.bin"]]), context)).toThrow(
    expect.objectContaining({ code: "usage", hint: "it declares tool" }),
  );
});
