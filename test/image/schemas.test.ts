import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { BuildReport } from "@cvm-build/image";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { cvmBuildJson, REPOSITORY } from "../support/cli.ts";
import { type JsonSchema, schemaViolations } from "../support/json-schema.ts";

const read = (path: string): unknown => JSON.parse(readFileSync(path, "utf8"));
const schema = (name: string) => read(join(REPOSITORY, `docs/schemas/${name}.schema.json`)) as JsonSchema;

/** Documents that verifiers and auditors read, and the schemas that are published for them. */
describe("what a build leaves", () => {
  let output: string;
  let report: BuildReport;

  beforeAll(async () => {
    output = mkdtempSync(join(tmpdir(), "cvm-schemas-"));
    const args = ["build", "--profile", "minimal", "--set", `Output.OutputDirectory=${output}`];
    report = await cvmBuildJson<BuildReport>(args);
  });

  afterAll(() => rmSync(output, { recursive: true, force: true }));

  it.each([
    ["measurements", "measurements.json"],
    ["manifest", "manifest.json"],
    ["lock", "cvm.lock"],
    ["lint", "lint.json"],
  ])("is what the schema of %s says", (name, file) => {
    expect(schemaViolations(read(join(report.directory, file)), schema(name))).toEqual([]);
  });

  it("is measured in the same words by measure", async () => {
    const uki = join(report.directory, "minimal.efi");
    const measured = await cvmBuildJson<object>([
      "measure",
      uki,
      "--platform",
      "qemu-ovmf-sid",
      "--platform",
      "gcp-tdx",
    ]);
    expect(schemaViolations(measured, schema("measurements"))).toEqual([]);
  });

  it.each<[string, (document: Record<string, unknown>) => void]>([
    ["a field of another name", (document) => (document["more"] = 1)],
    ["a missing field", (document) => delete document["image"]],
    ["another schema", (document) => (document["schema"] = "cvm-build.measurements/2")],
    ["a digest in upper case", (document) => (document["image"] = { id: "x", version: "1", sha256: "A".repeat(64) })],
  ])("is refused with %s", (_, spoil) => {
    const document = structuredClone({ ...report.measurements }) as unknown as Record<string, unknown>;
    spoil(document);
    expect(schemaViolations(document, schema("measurements"))).toHaveLength(1);
  });
});

it("a committed lock is what the schema of lock says", () => {
  expect(schemaViolations(read(join(REPOSITORY, "profiles/reth-node/cvm.lock")), schema("lock"))).toEqual([]);
});
