import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { bytesSource } from "@cvm-build/bytes";
import type { Prediction, Unpredicted } from "@cvm-build/measure";
import { platformJsonSchema } from "@cvm-build/profile";
import { describe, expect, it, test } from "vitest";
import { makeKernel, makeStub } from "../../../uki/src/pe/pe.fixture.ts";
import type { Bootable } from "./bootable.ts";
import { findPlatform, platformNames } from "./find-platform.ts";
import { Memo } from "./memo.ts";
import { predictPlatform } from "./predict-platform.ts";
import { readPlatform } from "./ready-platform.ts";

const root = join(import.meta.dirname, "../../../..");
const docs = join(root, "docs");
const places = { directory: "/nowhere", configsDirectory: join(root, "configs") };
const names = platformNames(places);

const kernel = makeKernel("6.12.1-test");
const uki = makeStub("257.13-1", {
  sections: [
    { name: ".osrel", content: "ID=test\n" },
    { name: ".cmdline", content: "console=ttyS0" },
    { name: ".linux", content: kernel },
    { name: ".initrd", content: "initrd" },
  ],
});

/** The registers of a platform as it is shipped, for an image such as Debian trixie's stub and kernel make. */
async function predict(name: string): Promise<Prediction> {
  const declaration = findPlatform(name, places);
  const isKernel = declaration.boot === "kernel-bzimage";
  const bootable: Bootable = {
    image: bytesSource(isKernel ? kernel : uki),
    companions: [],
    phases: [],
    banks: ["sha256"],
    memo: new Memo(),
  };
  return predictPlatform(await readPlatform(declaration), bootable, { threads: 1 });
}

function predictedRegisters({ registers, alternatives = [] }: Prediction): string[] {
  const { pcr, rtmr = {}, mrtd, launchDigest } = registers;
  return [
    ...Object.keys(pcr.sha256 ?? {}).map((index) => `pcr${index}`),
    ...alternatives.map(({ register }) => register),
    ...(mrtd === undefined ? [] : ["mrtd"]),
    ...Object.keys(rtmr).map((index) => `rtmr${index}`),
    ...(launchDigest === undefined ? [] : ["launchDigest"]),
  ];
}

/** As people write them: `PCR 4, 8; RTMR 2`. */
function listRegisters(registers: readonly string[]): string {
  const of = (kind: string) => registers.flatMap((name) => new RegExp(`^${kind}(\\d+)$`).exec(name)?.[1] ?? []);
  return [
    ...(of("pcr").length > 0 ? [`PCR ${of("pcr").join(", ")}`] : []),
    ...(registers.includes("mrtd") ? ["MRTD"] : []),
    ...(of("rtmr").length > 0 ? [`RTMR ${of("rtmr").join(", ")}`] : []),
    ...(registers.includes("launchDigest") ? ["launch digest"] : []),
  ].join("; ");
}

/** What no platform says anything of is said once, in the page. */
const OF_NO_PLATFORM = /^pcr(10|1[5-9]|2\d)$/;

function section(name: string, prediction: Prediction): string {
  const open = prediction.unpredicted.filter(({ register }) => !OF_NO_PLATFORM.test(register));
  const reasons = Map.groupBy(open, ({ reason }: Unpredicted) => reason);
  const lines = [...reasons].map(([reason, of]) => `- ${listRegisters(of.map(({ register }) => register))}: ${reason}`);
  const predicted = listRegisters(predictedRegisters(prediction)) || "none";
  return [`### ${name}`, "", `- predicted: ${predicted}`, ...lines].join("\n");
}

describe("pages of platforms", () => {
  const pages = readdirSync(join(docs, "platforms")).map((file) => readFileSync(join(docs, "platforms", file), "utf8"));

  it.each(names)("one is of %s", (name) => {
    // What is below the heading and in front of the first part says which platforms a page is of.
    const heads = pages.map((page) => page.split("\n## ", 1).join());
    expect(heads.filter((head) => head.includes(`\`${name}\``))).toHaveLength(1);
  });

  it("the table of registers has every platform", () => {
    const table = readFileSync(join(docs, "registers.md"), "utf8").split("\n<!-- shipped", 1).join();
    expect(names.filter((name) => !table.includes(`\`${name}\``))).toEqual([]);
  });
});

test("the page of the language has every key of the schema", () => {
  const page = readFileSync(join(docs, "platform-language.md"), "utf8");
  const { properties } = platformJsonSchema() as { properties: Record<string, { properties?: object }> };
  const keys = Object.entries(properties).flatMap(([key, { properties: own }]) => (own ? Object.keys(own) : [key]));
  expect(keys.length).toBeGreaterThan(30);
  expect(keys.filter((key) => !new RegExp(`^\\|.*\\b${key}\\b.*\\|`, "m").test(page))).toEqual([]);
});

test("the page lists what each platform predicts as it is (vitest -u writes it)", async () => {
  const page = readFileSync(join(docs, "registers.md"), "utf8");
  const region = /(<!-- shipped: [^\n]*-->\n)[^]*?(<!-- end of shipped -->)/;
  expect(page).toMatch(region);
  const predictions = await Promise.all(names.map(async (name) => section(name, await predict(name))));
  const filled = page.replace(region, (_, start, end) => `${start}\n${predictions.join("\n\n")}\n\n${end}`);
  await expect(filled).toMatchFileSnapshot(join(docs, "registers.md"));
});
