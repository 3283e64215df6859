import { CvmError } from "@cvm-build/bytes";
import { resolvePackages } from "@cvm-build/resolver";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type AptPeer, type AptRequest, mapParallel, openAptPeer } from "./apt-peer.ts";
import { requirePeers } from "../support/peers.ts";
import { drawRequests, TELLING_REQUESTS } from "./random-requests.ts";

/** How many requests are drawn; the long form is `CVM_APT_CASES=2000`. */
const CASES = Number(process.env["CVM_APT_CASES"] ?? 210);
const SEED = Number(process.env["CVM_APT_SEED"] ?? 1);

describe.skipIf(!requirePeers("apt-get", "apt-cache"))("resolving as apt does", { timeout: 3_600_000 }, () => {
  let apt: AptPeer;
  beforeAll(() => {
    apt = openAptPeer();
  });
  afterAll(() => apt[Symbol.dispose]());

  test("requests that tell one policy from another", async () => {
    const different = await mapParallel(TELLING_REQUESTS, (request) => compare(apt, request));
    expect(different.filter((difference) => difference !== undefined)).toEqual([]);
  });

  test(`${CASES} random requests on an empty system`, async () => {
    const requests = drawRequests(apt.universe, { count: CASES, seed: SEED });
    const different = await mapParallel(requests, (request) => compare(apt, request));
    expect(different.filter((difference) => difference !== undefined)).toEqual([]);
  });
});

interface Difference {
  request: AptRequest;
  onlyApt: string[] | "refuses";
  onlyOurs: string[] | string;
}

async function compare(apt: AptPeer, request: AptRequest): Promise<Difference | undefined> {
  const theirs = await apt.simulate(request);
  const ours = resolve(apt, request);
  if (theirs === undefined) {
    return typeof ours === "string" ? undefined : { request, onlyApt: "refuses", onlyOurs: `${ours.length} packages` };
  }
  if (typeof ours === "string") return { request, onlyApt: [`${theirs.length} packages`], onlyOurs: ours };
  const onlyApt = theirs.filter((line) => !ours.includes(line));
  const onlyOurs = ours.filter((line) => !theirs.includes(line));
  return onlyApt.length + onlyOurs.length === 0 ? undefined : { request, onlyApt, onlyOurs };
}

/** The resolved set, or why it was refused. */
function resolve(apt: AptPeer, { packages, withRecommends }: AptRequest): string[] | string {
  try {
    const resolution = resolvePackages(apt.universe, {
      architecture: "amd64",
      packages,
      withEssential: false,
      withRecommends,
    });
    return resolution.packages.map(({ name, version, architecture }) => `${name}=${version}:${architecture}`).sort();
  } catch (error) {
    if (error instanceof CvmError && (error.code === "unsatisfiable" || error.code === "no-such-package")) {
      return error.message;
    }
    throw error;
  }
}
