import { CvmError, type HashAlgorithm } from "@cvm-build/bytes";
import { compareWithLog, type Prediction, readEventLog, type RegisterComparison } from "@cvm-build/measure";
import { collectEvidence, type EndCondition, type Evidence } from "@cvm-build/vm";
import { companionsBeside } from "./companions.ts";
import { type BuiltImage, findImage, type ImageChoice, machineFor, type MachineOptions } from "./machine.ts";
import type { Measurements, PlatformMeasurements } from "./measurements.ts";
import { fileDigest } from "./output.ts";
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
  unpredicted: Prediction["unpredicted"];
  machine: Evidence["machine"];
  /** Seconds from power-on until the registers were read. */
  durationSec: number;
}

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
  const prediction = publishedPrediction(built);
  const machine = await machineFor(request.machine, { uki: built.uki, surroundings });
  surroundings.report({ stage: "boot", item: built.output.imageId, done: 0, unit: "items" });
  const evidence = await collectEvidence({
    ...machine,
    imagePath: built.uki,
    espFiles: companionsBeside(built.uki),
    network: "none",
    until: endConditions(prediction),
    timeoutSec: request.timeoutSec,
  });
  const log = readEventLog(evidence.eventLog);
  const { equal, registers } = compareWithLog(prediction, { log, registers: evidence.pcrs });
  return {
    image: built.uki,
    agrees: equal,
    registers,
    unpredicted: prediction.unpredicted,
    machine: evidence.machine,
    durationSec: evidence.durationSec,
  };
}

/** What was published for the image, once it is sure that it was published for these bytes. */
function publishedPrediction({ output, uki }: BuiltImage): Prediction {
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
