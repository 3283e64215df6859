import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parsePlatform, type PlatformDeclaration, platformJsonSchema } from "@cvm-build/profile";
import { VMM_KINDS } from "@cvm-build/measure";
import { describe, expect, it } from "vitest";
import { findPlatform, platformNames } from "./find-platform.ts";

const configsDirectory = join(import.meta.dirname, "../../../../configs");
const places = { directory: "/nowhere", configsDirectory };
const shipped = readdirSync(join(configsDirectory, "platforms"));

describe("platforms that cvm-build brings", () => {
  it.each(shipped)("%s can be read and says what it is", (file) => {
    const path = join(configsDirectory, "platforms", file);
    const { name, description, machine } = parsePlatform(readFileSync(path, "utf8"), path);
    expect(`${name}.yaml`).toBe(file);
    expect(description.length).toBeGreaterThan(20);
    const { vmm = "qemu" } = machine as PlatformDeclaration["machine"];
    expect([...VMM_KINDS, "azure"]).toContain(vmm);
  });

  it("are those that people name", () => {
    expect(platformNames(places)).toEqual(
      expect.arrayContaining([
        "qemu-ovmf",
        "qemu-tdx",
        "qemu-snp",
        "gcp-tdx",
        "gcp-snp",
        "azure-tdx",
        "azure-snp",
        "aws-snp",
      ]),
    );
  });

  it("are listed where there is none of that name", () => {
    expect(() => findPlatform("qemu-tdz", places)).toThrow(
      expect.objectContaining({ code: "usage", hint: expect.stringContaining("qemu-tdx") }) as Error,
    );
    expect(() => findPlatform("../../etc/passwd", places)).toThrow("cannot find platform");
  });
});

it("lets platforms name the VMMs whose launches are predicted, and Azure's, whose are not", () => {
  const schema = platformJsonSchema() as { properties: { machine: { properties: { vmm: { enum: string[] } } } } };
  const { enum: named } = schema.properties.machine.properties.vmm;
  expect(named.toSorted()).toEqual([...VMM_KINDS, "azure"].toSorted());
});
