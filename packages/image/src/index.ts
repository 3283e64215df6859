export { type BootImageRequest, bootImage, type BootReport } from "./boot.ts";
export { buildImage, type BuildReport, type BuildRequest } from "./build.ts";
export { pruneCache, verifyCache } from "./cache.ts";
export { inspectImage, measureImage, type MeasureRequest } from "./examine.ts";
export { lockImage, type LockReport, type LockRequest } from "./lock.ts";
export { type LockPolicy } from "./locking.ts";
export { type ImageChoice, type MachineOptions } from "./machine.ts";
export { type Manifest, type ManifestPackage, type ScriptReport } from "./manifest.ts";
export { type Measurements, type PlatformMeasurements, type PublishedEvent } from "./measurements.ts";
export { PROGRAM_VERSION } from "./program.ts";
export { proveImage, type Proof, type ProveRequest } from "./prove.ts";
export { summarise, type Summary } from "./summarise.ts";
export { type ProfileSelection, type Surroundings } from "./surroundings.ts";

// What of the packages below a caller sees in these requests and reports.
export { type RegisterComparison } from "@cvm-build/measure";
export { type MergedSetting, type UnsupportedSetting } from "@cvm-build/profile";
export { type LockChange } from "@cvm-build/resolver";
export { STORE_ERROR_CODES } from "@cvm-build/store";
export { type UkiInspection } from "@cvm-build/uki";
