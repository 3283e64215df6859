export type { FetchedArtifact } from "./artifacts.ts";
export {
  assembleRootfs,
  type FetchedPackage,
  type FinisherReport,
  type PackageUse,
  type Rootfs,
  type RootfsInput,
  type RootfsTools,
} from "./assemble.ts";
export { bootPhases, diskPhases } from "./boot-phases.ts";
export type { RootfsErrorCode } from "./errors.ts";
export { type ExtensionHost, extensionFault, type ExtensionKind } from "./extension/extension-release.ts";
export { type ExtensionTree, makeExtensionTree } from "./extension/extension-tree.ts";
export { type OsRelease, parseOsRelease } from "./extension/os-release.ts";
export { mergesAnyExtension } from "./extension/merge-extensions.ts";
export { makePortableTree, type PortableTree } from "./extension/portable-tree.ts";
export type { Finisher, FinisherContext, FinisherEffect } from "./finisher.ts";
export { assembleMiniInitrd, type MiniInitrdInput } from "./initrd/mini-initrd.ts";
export type { MiniInit, OverlayCarrier, OverlayVerity } from "./initrd/mini-init-script.ts";
export type { Initrd, InitrdInput } from "./initrd/package-source.ts";
export { assembleSystemdInitrd } from "./initrd/systemd-initrd.ts";
export { verityCommandLine, type VerityRoot } from "./initrd/verity-command-line.ts";
export { INITRD_PURPOSES, type InitrdPurpose, type InitrdSizes } from "./initrd/initrd-sizes.ts";
export { checkKernel, type KernelCheck, moduleNamesIn } from "./kernel-config/check-kernel.ts";
export { type KernelConfig, parseKernelConfig } from "./kernel-config/kernel-config.ts";
export { neededKernelFeatures } from "./kernel-config/needed-features.ts";
export { type KernelFeature, type KernelRequirements, parseKernelRequirements } from "./kernel-config/requirements.ts";
export type { PickedKernel } from "./kernel-pick.ts";
export type { Replacement } from "./merge.ts";
export { type DebFile, readCopyrightFiles } from "./packages/copyright-files.ts";
export { readDebControl } from "./packages/decode-archive.ts";
export type { ScriptName } from "./packages/payload.ts";
export { type ClassifiedLine, type ClassifiedScript, SCRIPT_CLASSES, type ScriptClass } from "./scripts/classify.ts";
export { readStub, type Stub } from "./stub.ts";
export { findUnit, isMasked, unitDirectories } from "./units/unit-files.ts";
