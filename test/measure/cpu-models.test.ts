import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { cpuModelSignature, cpuSignature, EPYC_MODEL_NAMES } from "@cvm-build/measure";
import { describe, expect, it } from "vitest";
import { requirePeers } from "../support/peers.ts";
import { debianRoot } from "../support/trixie-root.ts";

interface Answer {
  id?: string;
  return?: unknown;
  error?: { desc: string };
}

/** What a QEMU without a guest answers. */
function ask(qemu: readonly string[], requests: readonly { execute: string; id: string; arguments?: object }[]) {
  const [program = "", ...rest] = qemu;
  const options = ["-machine", "q35,accel=tcg", "-display", "none", "-nodefaults", "-S", "-qmp", "stdio"];
  const conversation = [{ execute: "qmp_capabilities" }, ...requests, { execute: "quit" }];
  const run = spawnSync(program, [...rest, ...options], {
    input: `${conversation.map((request) => JSON.stringify(request)).join("\n")}\n`,
    encoding: "utf8",
    maxBuffer: 1 << 26,
  });
  expect(run.stderr).toBe("");
  const answers = run.stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Answer);
  return new Map(answers.flatMap(({ id, return: value }) => (id === undefined ? [] : [[id, value] as const])));
}

function epycModelsOf(qemu: readonly string[]): Map<string, number> {
  const definitions = ask(qemu, [{ execute: "query-cpu-definitions", id: "all" }]).get("all") as { name: string }[];
  const names = definitions.map(({ name }) => name).filter((name) => name.startsWith("EPYC"));
  const expansions = ask(
    qemu,
    names.map((name) => ({
      execute: "query-cpu-model-expansion",
      id: name,
      arguments: { type: "full", model: { name } },
    })),
  );
  return new Map(
    names.map((name) => {
      const { model } = expansions.get(name) as { model: { props: Parameters<typeof cpuSignature>[0] } };
      return [name, cpuSignature(model.props)];
    }),
  );
}

describe("CPU models", () => {
  it.skipIf(!requirePeers("qemu-system-x86_64"))("have the signatures that the host's QEMU gives them", () => {
    const models = epycModelsOf(["qemu-system-x86_64"]);
    expect(models.size).toBeGreaterThan(8);
    for (const [name, signature] of models) expect([name, cpuModelSignature(name)]).toEqual([name, signature]);
  });

  it("are models of the newest QEMU, with its signatures", (context) => {
    const root = debianRoot("sid", ["qemu-system-x86"]);
    if (!root) return context.skip();
    const folders = ["seabios", "qemu"].flatMap((name) => ["-L", join(root.path, "usr/share", name)]);
    const models = epycModelsOf([...root.command("usr/bin/qemu-system-x86_64"), ...folders]);
    for (const name of EPYC_MODEL_NAMES) expect([name, cpuModelSignature(name)]).toEqual([name, models.get(name)]);
  });
});
