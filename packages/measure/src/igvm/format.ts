import { raw, record, u16le, u32le, u64le, u8, type ValueOf } from "@cvm-build/bytes";

/** What every file begins with: 24 bytes. @see IGVM, `IGVM_FIXED_HEADER` */
export const FixedHeader = record("IGVM_FIXED_HEADER", 24, {
  magic: [0x00, raw(4)],
  formatVersion: [0x04, u32le],
  variableHeaderOffset: [0x08, u32le],
  variableHeaderSizeBytes: [0x0c, u32le],
  totalFileSizeBytes: [0x10, u32le],
  checksum: [0x14, u32le],
});

/** What follows it from version 2 on: 8 bytes. @see IGVM, `IGVM_FIXED_HEADER_V2` */
export const FixedHeaderV2 = record("IGVM_FIXED_HEADER_V2", 8, {
  architecture: [0x00, u32le],
  pageSizeBytes: [0x04, u32le],
});

/** Head of each variable header: 8 bytes; the next begins at a multiple of 8. @see IGVM, `IGVM_VHS_VARIABLE_HEADER` */
export const VariableHeader = record("IGVM_VHS_VARIABLE_HEADER", 8, {
  type: [0x00, u32le],
  sizeBytes: [0x04, u32le],
});

/** @see IGVM, `IGVM_VHS_SUPPORTED_PLATFORM` */
const SupportedPlatform = record("IGVM_VHS_SUPPORTED_PLATFORM", 16, {
  compatibilityMask: [0x00, u32le],
  highestVtl: [0x04, u8],
  platformType: [0x05, u8],
  platformVersion: [0x06, u16le],
  sharedGpaBoundary: [0x08, u64le],
});

const GuestPolicy = record("IGVM_VHS_GUEST_POLICY", 16, {
  policy: [0x00, u64le],
  compatibilityMask: [0x08, u32le],
  reserved: [0x0c, u32le],
});

const RelocatableRegion = record("IGVM_VHS_RELOCATABLE_REGION", 48, {
  compatibilityMask: [0x00, u32le],
  vpIndex: [0x04, u16le],
  vtl: [0x06, u8],
  flags: [0x07, u8],
  relocationAlignment: [0x08, u64le],
  relocationRegionGpa: [0x10, u64le],
  relocationRegionSizeBytes: [0x18, u64le],
  minimumRelocationGpa: [0x20, u64le],
  maximumRelocationGpa: [0x28, u64le],
});

const PageTableRelocation = record("IGVM_VHS_PAGE_TABLE_RELOCATION", 32, {
  compatibilityMask: [0x00, u32le],
  vpIndex: [0x04, u16le],
  vtl: [0x06, u8],
  reserved: [0x07, u8],
  gpa: [0x08, u64le],
  sizeBytes: [0x10, u64le],
  usedSizeBytes: [0x18, u64le],
});

const CorimData = record("IGVM_VHS_CORIM_DATA", 16, {
  compatibilityMask: [0x00, u32le],
  fileOffset: [0x04, u32le],
  sizeBytes: [0x08, u32le],
  reserved: [0x0c, u32le],
});

const CcaPolicy = record("IGVM_VHS_CCA_POLICY", 32, {
  compatibilityMask: [0x00, u32le],
  reserved: [0x04, u32le],
  attributesRequiredZeroes: [0x08, u64le],
  attributesRequiredOnes: [0x10, u64le],
  hashAlgorithm: [0x18, u8],
  lfaPolicy: [0x19, u8],
  reserved2: [0x1a, raw(6)],
});

const ParameterArea = record("IGVM_VHS_PARAMETER_AREA", 16, {
  sizeBytes: [0x00, u64le],
  parameterAreaIndex: [0x08, u32le],
  fileOffset: [0x0c, u32le],
});

const PageData = record("IGVM_VHS_PAGE_DATA", 24, {
  gpa: [0x00, u64le],
  compatibilityMask: [0x08, u32le],
  fileOffset: [0x0c, u32le],
  flags: [0x10, u32le],
  dataType: [0x14, u16le],
  reserved: [0x16, u16le],
});

const ParameterInsert = record("IGVM_VHS_PARAMETER_INSERT", 16, {
  gpa: [0x00, u64le],
  compatibilityMask: [0x08, u32le],
  parameterAreaIndex: [0x0c, u32le],
});

const VpContext = record("IGVM_VHS_VP_CONTEXT", 20, {
  gpa: [0x00, u64le],
  compatibilityMask: [0x08, u32le],
  fileOffset: [0x0c, u32le],
  vpIndex: [0x10, u16le],
  reserved: [0x12, u16le],
});

const RequiredMemory = record("IGVM_VHS_REQUIRED_MEMORY", 24, {
  gpa: [0x00, u64le],
  compatibilityMask: [0x08, u32le],
  sizeBytes: [0x0c, u32le],
  flags: [0x10, u32le],
  reserved: [0x14, u32le],
});

const Parameter = record("IGVM_VHS_PARAMETER", 8, {
  parameterAreaIndex: [0x00, u32le],
  byteOffset: [0x04, u32le],
});

const ErrorRange = record("IGVM_VHS_ERROR_RANGE", 16, {
  gpa: [0x00, u64le],
  compatibilityMask: [0x08, u32le],
  sizeBytes: [0x0c, u32le],
});

const SnpIdBlock = record("IGVM_VHS_SNP_ID_BLOCK", 696, {
  compatibilityMask: [0x000, u32le],
  authorKeyEnabled: [0x004, u8],
  reserved: [0x005, raw(3)],
  launchDigest: [0x008, raw(48)],
  familyId: [0x038, raw(16)],
  imageId: [0x048, raw(16)],
  version: [0x058, u32le],
  guestSvn: [0x05c, u32le],
  idKeyAlgorithm: [0x060, u32le],
  authorKeyAlgorithm: [0x064, u32le],
  idKeySignature: [0x068, raw(144)],
  idPublicKey: [0x0f8, raw(152)],
  authorKeySignature: [0x190, raw(144)],
  authorPublicKey: [0x220, raw(152)],
});

const VbsMeasurement = record("IGVM_VHS_VBS_MEASUREMENT", 864, {
  compatibilityMask: [0x000, u32le],
  version: [0x004, u32le],
  productId: [0x008, u32le],
  moduleId: [0x00c, u32le],
  securityVersion: [0x010, u32le],
  policyFlags: [0x014, u32le],
  bootDigestAlgorithm: [0x018, u32le],
  signingAlgorithm: [0x01c, u32le],
  bootMeasurementDigest: [0x020, raw(64)],
  signature: [0x060, raw(256)],
  publicKey: [0x160, raw(512)],
});

/** Headers that say for what platforms the file is. @see IGVM, `IgvmVariableHeaderType` */
export const PLATFORM_HEADERS = {
  SUPPORTED_PLATFORM: { type: 0x001, record: SupportedPlatform },
} as const;

/** Headers with what a platform needs before it takes data. */
export const INITIALIZATION_HEADERS = {
  GUEST_POLICY: { type: 0x101, record: GuestPolicy },
  RELOCATABLE_REGION: { type: 0x102, record: RelocatableRegion },
  PAGE_TABLE_RELOCATION_REGION: { type: 0x103, record: PageTableRelocation },
  CORIM_DOCUMENT: { type: 0x104, record: CorimData },
  CORIM_SIGNATURE: { type: 0x105, record: CorimData },
  CCA_POLICY: { type: 0x106, record: CcaPolicy },
} as const;

/** Headers by which a guest is made, in their order. */
export const DIRECTIVE_HEADERS = {
  PARAMETER_AREA: { type: 0x301, record: ParameterArea },
  PAGE_DATA: { type: 0x302, record: PageData },
  PARAMETER_INSERT: { type: 0x303, record: ParameterInsert },
  VP_CONTEXT: { type: 0x304, record: VpContext },
  REQUIRED_MEMORY: { type: 0x305, record: RequiredMemory },
  VP_COUNT_PARAMETER: { type: 0x307, record: Parameter },
  SRAT: { type: 0x308, record: Parameter },
  MADT: { type: 0x309, record: Parameter },
  MMIO_RANGES: { type: 0x30a, record: Parameter },
  SNP_ID_BLOCK: { type: 0x30b, record: SnpIdBlock },
  MEMORY_MAP: { type: 0x30c, record: Parameter },
  ERROR_RANGE: { type: 0x30d, record: ErrorRange },
  COMMAND_LINE: { type: 0x30e, record: Parameter },
  SLIT: { type: 0x30f, record: Parameter },
  PPTT: { type: 0x310, record: Parameter },
  VBS_MEASUREMENT: { type: 0x311, record: VbsMeasurement },
  DEVICE_TREE: { type: 0x312, record: Parameter },
  ENVIRONMENT_INFO_PARAMETER: { type: 0x313, record: Parameter },
} as const;

type HeaderTable = Readonly<Record<string, { readonly record: { decode(bytes: Uint8Array): unknown } }>>;
/** A header of a table, by its name; with the bytes of the file's data section that it refers to. */
type HeaderOf<T extends HeaderTable> = {
  [K in keyof T]: { name: K; fields: ValueOf<T[K]["record"]>; data?: Buffer };
}[keyof T];

/** A header that says for what platform the file is. */
export type PlatformHeader = HeaderOf<typeof PLATFORM_HEADERS>;
/** A header with what a platform needs before it takes data. */
export type InitializationHeader = HeaderOf<typeof INITIALIZATION_HEADERS>;
/** A header by which a guest is made. */
export type DirectiveHeader = HeaderOf<typeof DIRECTIVE_HEADERS>;

/** Bounds of types of each section. @see IGVM, `IGVM_VHT_RANGE_PLATFORM` and the following */
export const HEADER_RANGES = {
  platform: { first: 0x001, last: 0x100 },
  initialization: { first: 0x101, last: 0x200 },
  directive: { first: 0x301, last: 0x400 },
} as const;
/** Set in types that a loader may leave out. */
export const OPTIONAL_HEADER = 0x8000_0000;

/** `magic` of the fixed header. */
export const IGVM_MAGIC = Buffer.from("IGVM");

/** Architectures by number. @see IGVM, `IgvmArchitecture` */
export const ARCHITECTURES = ["x64", "aarch64"] as const;
/** Platforms by number. @see IGVM, `IgvmPlatformType` */
export const PLATFORM_TYPES = ["NATIVE", "VSM_ISOLATION", "SEV_SNP", "TDX", "SEV", "SEV_ES", "CCA"] as const;
/** A platform that a file is for. */
export type PlatformType = (typeof PLATFORM_TYPES)[number];

/** Types of pages by number. @see IGVM, `IgvmPageDataType` */
export const PAGE_DATA_TYPES = ["NORMAL", "SECRETS", "CPUID_DATA", "CPUID_XF"] as const;
/** Bits of `flags` of a page. @see IGVM, `IgvmPageDataFlags` */
export const PAGE_DATA_FLAGS = { is2MbPage: 1, unmeasured: 2, shared: 4 } as const;

/** Limits of what a reader accepts; real files have tens of thousands of pages. */
export const IGVM_LIMITS = { headers: 1 << 18, pages: 1 << 18 } as const;
