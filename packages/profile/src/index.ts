export {
  type ArtifactDeclaration,
  type ContentSettings,
  type DistributionSettings,
  type MeasureSettings,
  type OutputSettings,
  type Profile,
  type SourcePosition,
  type UkiSettings,
} from "./profile.ts";
export { type Probe, type ServiceDeclaration } from "./service.ts";
