import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import {
  checkKernel,
  type KernelFeature,
  moduleNamesIn,
  parseKernelConfig,
  parseKernelRequirements,
} from "@cvm-build/rootfs";
import { describe, expect, it } from "vitest";
import { initrdModulesFinisher } from "../../packages/rootfs/src/kernel/kernel-modules.ts";
import { debianFiles } from "../support/trixie-root.ts";
import { forgetfulCache, profileOf, readFolder, temporaryFolder } from "./folder-tree.ts";

const REQUIREMENTS = readFileSync(join(import.meta.dirname, "../../configs/kernel-requirements.json"), "utf8");
const requirements = parseKernelRequirements(REQUIREMENTS);
const kernels = ["linux-image-cloud-amd64", "linux-image-amd64"].map(
  (name) => [name, debianFiles("trixie", [name], /^linux-image-\d/)] as const,
);

/** All that the layouts need of which nothing has to be built in. */
const FEATURES: KernelFeature[] = [
  ...(["uki", "initrd", "initrd-gzip", "initrd-zstd", "modules", "script-init", "systemd"] as const),
  ...(["disk", "gpt", "fat", "loop", "erofs", "erofs-compressed", "erofs-zstd"] as const),
  ...(["verity", "verity-sha512", "verity-signature", "overlay"] as const),
];

describe.each(kernels)("%s of trixie", (_, folder) => {
  it.skipIf(folder === undefined)("has what every layout needs, with the modules of an initrd", async () => {
    const [file = ""] = readdirSync(join(folder!, "boot")).filter((name) => name.startsWith("config-"));
    const bytes = readFileSync(join(folder!, "boot", file));
    const config = parseKernelConfig(bytes);
    const lines = bytes.toString("latin1").split("\n");
    expect(config.size).toBe(lines.filter((line) => line.startsWith("CONFIG_")).length);
    using scratch = temporaryFolder();
    const tree = readFolder(folder!, "/usr/lib/modules");
    const everything = moduleNamesIn(tree);
    await initrdModulesFinisher.finish(tree, { profile: profileOf({}), cache: forgetfulCache(scratch.path) });
    const check = { release: file, config, what: "an image", requirements, modules: moduleNamesIn(tree) };
    checkKernel({ ...check, features: FEATURES });
    expect(() => checkKernel({ ...check, features: ["pmem"], modules: "none" })).toThrow("CONFIG_BLK_DEV_PMEM");
    // A module that the table names is built in, or a file of that name.
    for (const need of Object.values(requirements).flat(2)) {
      if (need.module !== undefined && config.get(need.symbol) === "m") {
        expect(everything.has(need.module), need.module).toBe(true);
      }
    }
  });
});
