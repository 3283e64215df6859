import type { HashAlgorithm } from "@cvm-build/bytes";
import type { RegisterName } from "@cvm-build/measure";
import type { EncodeExport } from "./reference-values.ts";
import type { PlatformTraits } from "./platform-traits.ts";
import { LAUNCH_DIGEST, PCRS, TDX_REGISTERS } from "./register-names.ts";

/** Registers that an export holds where nobody says which. */
export interface DefaultPins {
  /** Those must have values, or be floated by name. */
  always: readonly RegisterName[];
  /** Those are taken where they are predicted. */
  ifPredicted: readonly RegisterName[];
}

/** A format in which reference values are published. */
export interface ExportFormat {
  /** What reads it. */
  reader: string;
  /** Platforms that it can speak of, for people. */
  platforms: string;
  /** Registers that it can hold for such a platform; none for a platform of which it cannot speak. */
  carries(traits: PlatformTraits): readonly RegisterName[];
  /** The only PCR bank that it holds; undefined where it holds all. */
  pcrBank?: HashAlgorithm;
  /** Where the readers of a format want other registers than most; "whole" for one that holds all, whatever is pinned. */
  pins?: DefaultPins | "whole";
  load(): Promise<EncodeExport>;
}

const NONE: readonly RegisterName[] = [];

/** Registers of a TPM, where there is one. */
const tpm = ({ hasTpm }: PlatformTraits) => (hasTpm ? PCRS : NONE);
/** Registers that the TEE itself reports, where the image is what it measures. */
const tee = (traits: PlatformTraits) =>
  traits.cloud === "azure" ? NONE : traits.tee === "tdx" ? TDX_REGISTERS : traits.tee === "snp" ? LAUNCH_DIGEST : NONE;
const tdx = (traits: PlatformTraits) => (traits.tee === "tdx" ? tee(traits) : NONE);
const everything = (traits: PlatformTraits) => [...tee(traits), ...tpm(traits)];
/** The two kinds that Flashbots' proxies know. */
const azureTdx = (traits: PlatformTraits) => (traits.cloud === "azure" && traits.tee === "tdx" ? tpm(traits) : NONE);
const quoteOrAzure = (traits: PlatformTraits) => [...azureTdx(traits), ...tdx(traits)];

/** Every format that measurements are exported in: choices of `--format`, and what does it. */
export const EXPORT_FORMATS = {
  "cvm-build": {
    reader: "cvm-build: measurements.json, with event lists",
    platforms: "all",
    carries: everything,
    pins: "whole",
    load: async () => (await import("./cvm-build.ts")).encodeCvmBuild,
  },
  "cvm-reverse-proxy": {
    reader: "Flashbots cvm-reverse-proxy (Go): registers by number, one value each",
    platforms: "TDX; TDX on Azure",
    carries: quoteOrAzure,
    pcrBank: "sha256",
    load: async () => (await import("./cvm-reverse-proxy.ts")).encodeCvmReverseProxy,
  },
  "attested-tls": {
    reader: "Flashbots attested-tls (Rust): registers by name, lists of values",
    platforms: "TDX; TDX on Azure",
    carries: quoteOrAzure,
    pcrBank: "sha256",
    load: async () => (await import("./attested-tls.ts")).encodeAttestedTls,
  },
  "trustee-rvps": {
    reader: "Trustee's reference value provider: message of type `sample`",
    platforms: "all",
    carries: (traits) => (traits.tee === "tdx" ? quoteOrAzure(traits) : everything(traits)),
    pcrBank: "sha256",
    load: async () => (await import("./trustee-rvps.ts")).encodeTrusteeRvps,
  },
  "trustee-corim": {
    reader: "Trustee's reference value provider: message of type `corim`",
    platforms: "all",
    carries: (traits) => (traits.tee === "tdx" ? quoteOrAzure(traits) : everything(traits)),
    pcrBank: "sha256",
    load: async () => (await import("./trustee-corim.ts")).encodeTrusteeCorim,
  },
  corim: {
    reader: "Veraison, and all that read CoRIM: integrity registers",
    platforms: "all",
    carries: everything,
    load: async () => (await import("./corim.ts")).encodeCorim,
  },
  constellation: {
    reader: "Constellation: image measurements V2",
    platforms: "TPM on AWS, Azure, QEMU and, with SNP, GCP; TDX on QEMU",
    carries: (traits) =>
      traits.cloud === undefined && traits.tee === "tdx"
        ? TDX_REGISTERS
        : (traits.cloud === undefined && traits.tee === "snp") || (traits.cloud === "gcp" && traits.tee !== "snp")
          ? NONE
          : tpm(traits),
    pcrBank: "sha256",
    load: async () => (await import("./constellation.ts")).encodeConstellation,
  },
  "go-tdx-guest": {
    reader: "go-tdx-guest: configuration of its tool `check`",
    platforms: "TDX",
    carries: tdx,
    load: async () => (await import("./go-tdx-guest.ts")).encodeGoTdxGuest,
  },
  "go-tpm-tools": {
    reader: "go-tpm-tools: expected PCRs, and a policy for what they leave out",
    platforms: "all with a TPM",
    carries: tpm,
    pcrBank: "sha256",
    load: async () => (await import("./go-tpm-tools.ts")).encodeGoTpmTools,
  },
  "azure-maa": {
    reader: "Microsoft Azure Attestation: policy, version 1.2",
    platforms: "TDX and SNP; not Azure's own, whose images are in PCRs, for which a policy has no claims",
    carries: tee,
    load: async () => (await import("./azure-maa.ts")).encodeAzureMaa,
  },
  "aws-kms": {
    reader: "AWS KMS: key policy on NitroTPM's PCRs",
    platforms: "TPM on AWS",
    carries: (traits) => (traits.cloud === "aws" ? tpm(traits) : NONE),
    pcrBank: "sha384",
    pins: { always: ["pcr4", "pcr12"], ifPredicted: ["pcr7"] },
    load: async () => (await import("./aws-kms.ts")).encodeAwsKms,
  },
  "systemd-pcrlock": {
    reader: "systemd-pcrlock: a component, as its events",
    platforms: "all with a TPM",
    carries: tpm,
    pins: { always: ["pcr4", "pcr11"], ifPredicted: ["pcr9", "pcr13"] },
    load: async () => (await import("./systemd-pcrlock.ts")).encodeSystemdPcrlock,
  },
  flashtestations: {
    reader: "Flashtestations: workload ids of BlockBuilderPolicy",
    platforms: "TDX",
    carries: tdx,
    pins: { always: TDX_REGISTERS, ifPredicted: [] },
    load: async () => (await import("./flashtestations.ts")).encodeFlashtestations,
  },
  "id-block": {
    reader: "SEV-SNP's firmware: ID block and its authentication, as QEMU takes them",
    platforms: "SNP",
    carries: (traits) => (traits.tee === "snp" ? tee(traits) : NONE),
    pins: { always: LAUNCH_DIGEST, ifPredicted: [] },
    load: async () => (await import("./id-block.ts")).encodeIdBlock,
  },
  scai: {
    reader: "in-toto: SCAI statement; signed where there is a key",
    platforms: "all",
    carries: everything,
    load: async () => (await import("./scai.ts")).encodeScai,
  },
} as const satisfies Record<string, ExportFormat>;

/** Name of a format, as `--format` takes it. */
export type ExportFormatName = keyof typeof EXPORT_FORMATS;

/** What is pinned of a TEE and of a TPM where neither format nor caller says otherwise. */
export const DEFAULT_PINS: DefaultPins = {
  always: ["mrtd", "rtmr0", "rtmr1", "rtmr2", "launchDigest", "pcr4", "pcr9", "pcr11", "pcr12", "pcr13"],
  ifPredicted: ["rtmr3", "pcr7", "pcr14"],
};
