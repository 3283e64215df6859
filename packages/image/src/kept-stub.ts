import { readFileSync, writeFileSync } from "node:fs";
import { assert, compactCanonicalJson, sha256Hex } from "@cvm-build/bytes";
import type { stubPackageOf } from "./inputs.ts";
import type { Build } from "./build-under-way.ts";

const KIND = "stub";
/** Of what is taken out of a package. */
const VERSION = 1;

/**
 * The stub of a build. It is kept among what is derived: what opens packages takes longer to load than to run, and nothing
 * else of a prediction needs it.
 * @throws CvmError `package`, StoreError where it is not kept and its package cannot be had or read
 */
export async function obtainStub(build: Build): Promise<Buffer> {
  const { store, obtained } = build;
  const packages = obtained.lock.packages.filter(({ role }) => role === "stub");
  const [locked] = packages;
  assert(locked, "a lock names the stub's package");
  const { sha256, architecture } = locked;
  const key = sha256Hex(compactCanonicalJson({ version: VERSION, package: sha256, architecture }));
  const kept = store.lookup(KIND, key);
  const known = kept && readFileSync(kept.path);
  if (known && sha256Hex(known) === kept.sha256) return known;
  const { fetchInputs, stubPackageOf } = await import("./inputs.ts");
  const inputs = await fetchInputs({ ...build, lock: { ...obtained.lock, packages, artifacts: [] } });
  const bytes = await readFromPackage(stubPackageOf(inputs), build);
  const temporaryPath = store.reserve();
  writeFileSync(temporaryPath, bytes);
  store.commit(KIND, key, { temporaryPath, sizeBytes: bytes.length, sha256: sha256Hex(bytes), meta: undefined });
  return bytes;
}

async function readFromPackage(
  stub: ReturnType<typeof stubPackageOf>,
  { store, surroundings }: Build,
): Promise<Buffer> {
  const { readStub } = await import("@cvm-build/rootfs");
  const { readContent } = await import("@cvm-build/fs-writer");
  const { content } = await readStub(stub, { cache: store, workers: 1, report: surroundings.report, kind: "linux" });
  return readContent(content);
}
