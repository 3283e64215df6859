import { FileTree } from "@cvm-build/fs-writer";
import { readStub, type Rootfs } from "@cvm-build/rootfs";
import { writeAddon } from "../addon-image.ts";
import { type Inputs, stubPackageOf } from "../inputs.ts";
import { measurementsOf } from "../measure-build.ts";
import type { Build } from "../build-under-way.ts";
import type { MadeImage } from "./made-image.ts";

/** What an add-on has in place of a file system. */
const NO_ROOTFS: Rootfs = {
  tree: new FileTree({ mode: 0o755, uid: 0, gid: 0, mtimeSec: 0, origin: { kind: "finisher", name: "none" } }),
  finishers: [],
  scripts: [],
  packages: [],
  phases: [],
  registerUse: { hasOsSeparator: false, hasNvPcrs: false },
  setuid: [],
  replacements: [],
};

/** Makes an add-on for the UKI of another profile. */
export async function makeAddon(build: Build, inputs: Inputs): Promise<MadeImage> {
  const { profile, signers, store, surroundings, generation } = build;
  const { workers, report } = surroundings;
  const stub = await readStub(stubPackageOf(inputs), { cache: store, workers, report, kind: "addon" });
  const written = await writeAddon({ profile, stub, signers, generation });
  const measurements = measurementsOf(profile, { ...generation.digest(written.name), platforms: [] });
  const packed = { segments: [], losses: [] };
  return { rootfs: NO_ROOTFS, stub, packed, written, artifacts: [], measurements };
}
