export type {
  ArtifactDeclaration,
  Companion,
  ContentSettings,
  DiskSettings,
  DistributionSettings,
  ExtensionSettings,
  InitOverlaySettings,
  MeasureSettings,
  OutputSettings,
  PmemSettings,
  Profile,
  StorageSettings,
  UkiProfile,
  UkiSettings,
  ValidationSettings,
} from "./profile.ts";
export { FORMAT_TRAITS, OUTPUT_FORMATS, type OutputFormat, VERITY_FORMATS } from "./output-format.ts";
export type { Probe, ServiceDeclaration } from "./service.ts";
export type { ProfileErrorCode } from "./error.ts";
export { type LoadedProfile, loadProfile, type MergedSetting } from "./load.ts";
export type { LoadRequest } from "./load-request.ts";
export type { UnsupportedSetting } from "./unsupported.ts";
export { parseService } from "./read-service.ts";
export { parseArtifact } from "./read-artifact.ts";
export { parsePlatform, type PlatformDeclaration } from "./read-platform.ts";
export { platformJsonSchema } from "./platform-schema.ts";
export { serviceJsonSchema } from "./service-schema.ts";
export { artifactJsonSchema } from "./artifact-schema.ts";
export type { SourcePosition } from "./position.ts";
