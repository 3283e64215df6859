import { basename, resolve } from "node:path";
import { HASH_ALGORITHMS, type HashAlgorithm } from "@cvm-build/bytes";
import { prepareDigestThreads } from "@cvm-build/measure";
import { measuredCompanions } from "./companions.ts";
import { openNamedFile } from "./named-file.ts";
import type { Measurements } from "./measurements.ts";
import { type Bootable, imageSha256 } from "./platforms/bootable.ts";
import { measureOnPlatforms } from "./platforms/measure.ts";
import { Memo } from "./platforms/memo.ts";
import { selectPlatforms } from "./platforms/select.ts";
import { refuseDisk } from "./refuse-disk.ts";
import { type Variations, varyPlatform } from "./platforms/vary.ts";
import type { Surroundings } from "./surroundings.ts";

/** What to measure of a finished image. */
export interface MeasureRequest {
  /** Path of a UKI, or of a kernel for platforms that boot kernels, made by anyone. */
  image: string;
  /** Path of a kernel's initrd. */
  initrd?: string;
  /** What whoever starts the image passes to it. */
  commandLine?: string;
  /** Boot phases that the system in it reaches, in order. */
  phases: string[];
  /** All four where empty. */
  banks: HashAlgorithm[];
  /** QEMU with OVMF where empty. */
  platforms: string[];
  /** Path of a variable store of OVMF's, for platforms that name none. Secure Boot is off without. */
  variableStore?: string;
  /** Path of firmware, in place of the platforms' own. */
  firmware?: string;
  /** Machines other than the platforms', each combination. */
  variations?: Variations;
}

/** Predicts the registers of an image on platforms, from its own bytes. */
export async function measureImage(request: MeasureRequest, surroundings: Surroundings): Promise<Measurements> {
  const { invocationDirectory, workers } = surroundings;
  prepareDigestThreads(workers);
  const absolute = (path: string | undefined) => (path === undefined ? undefined : resolve(invocationDirectory, path));
  const imagePath = resolve(invocationDirectory, request.image);
  const { variableStore, firmware, platforms: names, banks, phases, commandLine } = request;
  using files = new DisposableStack();
  const image = files.use(openNamedFile(imagePath, "image"));
  refuseDisk(imagePath, image);
  const initrd =
    request.initrd === undefined ? undefined : files.use(openNamedFile(absolute(request.initrd)!, "initrd"));
  const choice = { names, variableStore: absolute(variableStore), firmware: absolute(firmware) };
  const platforms = (await selectPlatforms(choice, surroundings)).flatMap((platform) =>
    varyPlatform(platform, request.variations ?? {}),
  );
  const bootable: Bootable = {
    image,
    ...(initrd && { initrd }),
    ...(commandLine !== undefined && { commandLine }),
    companions: measuredCompanions(imagePath),
    phases,
    banks: banks.length > 0 ? banks : HASH_ALGORITHMS,
    memo: new Memo(),
  };
  return {
    schema: "cvm-build.measurements/1",
    image: { id: basename(imagePath), version: "", sha256: imageSha256(bootable) },
    platforms: await measureOnPlatforms(bootable, platforms, { threads: workers }),
  };
}
