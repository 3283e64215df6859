import { combinations, digestOf, indexOf, type SettledRegister } from "./combinations.ts";
import { exportError } from "./export-error.ts";
import type { ExportDetails } from "./reference-values.ts";
import type { EncodeExport, PinnedPlatform } from "./reference-values.ts";
import { formatTextproto, type TextField } from "./textproto.ts";

/** Size of a UTF-16 version string that nobody has; a bound for what is copied into a policy. */
const MAX_VERSION_ID_BYTES = 256;

/**
 * Writes a `tpm.PCRs` for each platform and choice of legal values, which a quote's PCRs are compared with and secrets are
 * sealed to, and an `attest.Policy` where there is something to put into it. A policy has no field for PCRs: alone it accepts
 * every image.
 * @see google/go-tpm-tools, proto/tpm.proto and proto/attest.proto
 */
export const encodeGoTpmTools: EncodeExport = ({ measurements: { image }, platforms }, { tpmFirmware = {} }) =>
  platforms.flatMap((platform) => {
    const choices = combinations(platform);
    const name = `${image.id}.${platform.name}`;
    const pcrs = choices.map((registers, index) => {
      const number = choices.length === 1 ? "" : `-${index + 1}`;
      return {
        fileName: `${name}${number}.pcrs.textproto`,
        bytes: Buffer.from(formatTextproto(pcrsMessage(registers))),
      };
    });
    const policy = policyFields(platform, tpmFirmware);
    if (policy.length === 0) return pcrs;
    const bytes = Buffer.from(formatTextproto([{ name: "platform", message: policy }]));
    return [...pcrs, { fileName: `${name}.tpm-policy.textproto`, bytes }];
  });

function pcrsMessage(registers: readonly SettledRegister[]): TextField[] {
  return [
    { name: "hash", scalar: "SHA256" },
    ...registers.map(({ name, value }) => ({
      name: "pcrs",
      message: [
        { name: "key", scalar: indexOf(name) },
        { name: "value", hex: digestOf(value) },
      ],
    })),
  ];
}

function policyFields(
  { traits: { cloud, tee } }: PinnedPlatform,
  { scrtmVersionIds = [], minimumGceVersion }: NonNullable<ExportDetails["tpmFirmware"]>,
): TextField[] {
  const ofGoogle: TextField[] = [];
  if (cloud === "gcp") {
    if (minimumGceVersion !== undefined) {
      ofGoogle.push({ name: "minimum_gce_firmware_version", scalar: versionNumber(minimumGceVersion) });
    }
    if (tee) ofGoogle.push({ name: "minimum_technology", scalar: tee === "tdx" ? "INTEL_TDX" : "AMD_SEV_SNP" });
  }
  return [...scrtmVersionIds.map((hex) => ({ name: "allowed_scrtm_version_ids", hex: versionId(hex) })), ...ofGoogle];
}

function versionId(hex: string): string {
  if (/^([0-9a-f]{2})+$/i.test(hex) && hex.length <= 2 * MAX_VERSION_ID_BYTES) return hex.toLowerCase();
  throw exportError("version id of firmware", {
    expected: `1 to ${MAX_VERSION_ID_BYTES} bytes as hex`,
    got: hex,
    hint: "copy the data of EV_S_CRTM_VERSION from an event log of the platform",
  });
}

function versionNumber(version: number): number {
  if (Number.isInteger(version) && version >= 0 && version <= 0xffff_ffff) return version;
  throw exportError("version of Google's firmware", {
    expected: "a number from 0 to 4294967295",
    got: String(version),
    hint: "at the time of writing it is 1",
  });
}
