import { CvmError, HASH_ALGORITHMS, type HashAlgorithm, openFileSource } from "@cvm-build/bytes";
import {
  type Alternative,
  compareWithLog,
  pcrOf,
  type PcrValues,
  type Prediction,
  readEventLog,
  type RegisterComparison,
} from "@cvm-build/measure";
import { collectEvidence, type EndCondition, type Evidence } from "@cvm-build/vm";
import { measuredCompanions } from "./companions.ts";
import { type BuiltImage, findImage, type ImageChoice, machineFor, type MachineOptions } from "./machine.ts";
import type { Manifest } from "./manifest.ts";
import type { Measurements, PlatformMeasurements } from "./measurements.ts";
import { fileDigest } from "./output.ts";
import { Memo } from "./platforms/memo.ts";
import { predictPlatform } from "./platforms/predict-platform.ts";
import { readPlatform } from "./platforms/ready-platform.ts";
import { type StartOfImage, startOfImage } from "./start-image.ts";
import type { Surroundings } from "./surroundings.ts";

/** An image to prove. */
export interface ProveRequest {
  choice: ImageChoice;
  machine: MachineOptions;
  /** After this the boot has failed. */
  timeoutSec: number;
}

/** Published and real registers of one boot. */
export interface Proof {
  image: string;
  /** Whether every predicted register has its value in every bank, and every logged event is the predicted one. */
  agrees: boolean;
  registers: RegisterComparison[];
  /** Registers that may have one of a few values, and whether they have one of these. */
  alternatives: { register: string; isOne: boolean; reason: string }[];
  unpredicted: Prediction["unpredicted"];
  machine: Evidence["machine"];
  /** Seconds from power-on until the registers were read. */
  durationSec: number;
}

const MIB = 1 << 20;
/** How long registers must stay as predicted: a boot that goes on to extend them is then seen. */
const SETTLED_SEC = 3;
/** A boot that stays away from its prediction is read after this much silence, to say what it has instead. */
const QUIET_SEC = 30;

/**
 * Boots an image under an emulated TPM, reads its registers and event log without the guest's help, and holds them
 * against what its `measurements.json` says.
 */
export async function proveImage(request: ProveRequest, surroundings: Surroundings): Promise<Proof> {
  const built = findImage(request.choice, surroundings);
  const start = startOfImage(built);
  const published = publishedPrediction(built);
  const machine = await machineFor(request.machine, { uki: built.path, surroundings });
  const own = await predictMachine(built, { machine, start, surroundings });
  const prediction = withMachine(published, own);
  surroundings.report({ stage: "boot", item: built.output.imageId, done: 0, unit: "items" });
  const evidence = await collectEvidence({
    ...machine,
    ...start.boot,
    network: "none",
    until: endConditions(prediction),
    timeoutSec: request.timeoutSec,
  });
  const log = readEventLog(evidence.eventLog);
  const { equal, registers } = compareWithLog(prediction, { log, registers: evidence.pcrs });
  const alternatives = (prediction.alternatives ?? []).map((each) => judgeAlternative(each, evidence.pcrs));
  return {
    image: built.path,
    agrees: equal && alternatives.every(({ isOne }) => isOne),
    registers,
    alternatives,
    unpredicted: prediction.unpredicted,
    machine: evidence.machine,
    durationSec: evidence.durationSec,
  };
}

/**
 * What this machine decides of a boot beside the image: its firmware is at hand, its disk and devices are known.
 */
async function predictMachine(
  { output, path: uki }: BuiltImage,
  options: { machine: Awaited<ReturnType<typeof machineFor>>; start: StartOfImage; surroundings: Surroundings },
): Promise<Prediction> {
  const { machine, start, surroundings } = options;
  const { tools, host, memoryMiB, cpus } = machine;
  const { codePath, varsPath } = tools.firmware;
  const { phases, registerUse } = output.readJson<Manifest>("manifest.json");
  const platform = await readPlatform({
    name: "this-machine",
    description: "The machine that images are proved on",
    firmware: { file: codePath, ...(varsPath !== undefined && { variables: varsPath }) },
    machine: {
      version: host.qemuVersion,
      cpuModel: host.cpuModel,
      accelerator: host.accelerator,
      memoryBytes: memoryMiB * MIB,
      cpus,
      optionRoms: false,
      // Machines with the management mode are started without it.
      suspend: tools.firmware.smm !== true,
    },
    disk: { partitions: start.partitions, readOnly: true },
    ...(start.kernel && { boot: "kernel-bzimage" }),
  });
  using files = new DisposableStack();
  const image = files.use(openFileSource(start.kernel ? start.boot.imagePath : uki));
  return await predictPlatform(
    platform,
    {
      ...{ image, phases, userspace: registerUse },
      ...(start.kernel && {
        initrd: files.use(openFileSource(start.kernel.initrdPath)),
        commandLine: start.kernel.commandLine,
      }),
      companions: measuredCompanions(uki),
      banks: HASH_ALGORITHMS,
      memo: new Memo(),
    },
    { threads: surroundings.workers },
  );
}

/** What was published, and of what was not what the machine decides. */
function withMachine(published: Prediction, own: Prediction): Prediction {
  const banks = Object.keys(published.registers.pcr) as HashAlgorithm[];
  const known = new Set(Object.values(published.registers.pcr).flatMap((values) => Object.keys(values)));
  const isOwn = ({ register }: { register: string }) => !known.has(String(pcrOf(register)));
  const isOpen = ({ register }: { register: string }) =>
    isOwn({ register }) && own.unpredicted.some((each) => each.register === register);
  const pcr = Object.fromEntries(
    banks.map((bank) => [bank, { ...own.registers.pcr[bank], ...published.registers.pcr[bank] }]),
  );
  return {
    ...published,
    registers: { pcr },
    events: [...published.events, ...own.events.filter(isOwn)],
    alternatives: (own.alternatives ?? []).filter(isOwn),
    unpredicted: own.unpredicted.filter(isOpen),
  };
}

function judgeAlternative({ register, values, reason }: Alternative, pcrs: PcrValues): Proof["alternatives"][number] {
  const pcr = pcrOf(register);
  const isOne = values.some((value) =>
    Object.entries(value).every(([bank, digest]) => {
      const real = pcr === undefined ? undefined : pcrs[bank as HashAlgorithm]?.[pcr];
      return real === undefined || real === digest;
    }),
  );
  return { register, isOne, reason };
}

/** What was published for the image, once it is sure that it was published for these bytes. */
function publishedPrediction({ output, path: uki }: BuiltImage): Prediction {
  const { image, platforms } = output.readJson<Measurements>("measurements.json");
  const found = fileDigest(uki).sha256;
  const [platform] = platforms;
  if (found === image.sha256 && platform) return predictionOf(platform);
  throw new CvmError("not-measured", `cannot prove "${uki}": expected SHA-256 ${image.sha256}, got ${found}`, {
    hint: "the image is not the one that measurements.json speaks of; build it again",
  });
}

function predictionOf({ registers, phases, events, unpredicted, refused }: PlatformMeasurements): Prediction {
  return {
    registers,
    phases,
    unpredicted,
    refused,
    events: events.map(({ type, ...event }) => ({ ...event, type })),
  };
}

function endConditions({ registers }: Prediction): EndCondition[] {
  const [bank] = Object.keys(registers.pcr) as HashAlgorithm[];
  const quiet: EndCondition = { kind: "quiet", quietSec: QUIET_SEC };
  if (bank === undefined) return [quiet];
  return [{ kind: "registers-equal", bank, values: registers.pcr[bank] ?? {}, forSec: SETTLED_SEC }, quiet];
}
