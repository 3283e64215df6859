import { digest, type HashAlgorithm, sha256Hex } from "@cvm-build/bytes";
import type { MeasuredEvent, RegisterName } from "@cvm-build/measure";
import { replay } from "@cvm-build/measure";
import type { Measurements, PlatformMeasurements } from "../measurements.ts";

/** Banks that the fixtures have. */
export const FIXTURE_BANKS: readonly HashAlgorithm[] = ["sha1", "sha256", "sha384"];

/** A document of an image on these platforms. */
export function makeMeasurements(...platforms: PlatformMeasurements[]): Measurements {
  return {
    schema: "cvm-build.measurements/1",
    image: { id: "node", version: "1.2.3", sha256: sha256Hex("node.efi") },
    platforms,
  };
}

/** A TPM platform whose registers are the replay of events as a UKI has them; PCR 12 and 13 stay as at power-on. */
export function tpmPlatform(name: string, options: Partial<PlatformMeasurements> = {}): PlatformMeasurements {
  const events: MeasuredEvent[] = [
    event("pcr4", "Calling EFI Application from Boot Option", { constant: "boot option" }),
    event("pcr4", "separator", { constant: "separator" }),
    event("pcr4", "node.efi", { file: "node.efi" }),
    event("pcr11", ".linux (name)", { section: ".linux" }),
    event("pcr11", ".linux", { section: ".linux" }),
    event("pcr9", "LOADED_IMAGE::LoadOptions", { section: ".cmdline" }),
    event("pcr9", "Linux initrd", { section: ".initrd" }),
    event("pcr11", "enter-initrd", { constant: "boot phase" }),
  ];
  return {
    name,
    registers: { pcr: replay(events, { banks: FIXTURE_BANKS, pcrs: [4, 9, 11, 12, 13] }) },
    phases: {},
    unpredicted: [
      { register: "pcr0", reason: "depends on the firmware" },
      { register: "pcr7", reason: "depends on the Secure Boot variables" },
    ],
    refused: [],
    events: events.map(({ type, ...rest }) => ({ ...rest, ...(type !== undefined && { type }) })),
    ...options,
  };
}

/** A TDX platform of these register values: by default MRTD, RTMR0 to 2 and an RTMR3 that nothing extends. */
export function tdxPlatform(name: string, options: Partial<PlatformMeasurements> = {}): PlatformMeasurements {
  const tpm = name.startsWith("azure") ? tpmPlatform(name) : undefined;
  return {
    name,
    registers: {
      pcr: tpm?.registers.pcr ?? {},
      mrtd: sha384(`${name} mrtd`),
      rtmr: { 0: sha384(`${name} rtmr0`), 1: sha384("rtmr1"), 2: sha384("rtmr2"), 3: "00".repeat(48) },
    },
    phases: {},
    unpredicted: [],
    refused: [],
    events: tpm?.events ?? [],
    ...options,
  };
}

/** An SNP platform whose launch digest holds the kernel. */
export function snpPlatform(name: string, options: Partial<PlatformMeasurements> = {}): PlatformMeasurements {
  const registers = { pcr: {}, launchDigest: sha384(`${name} launch`) };
  return { name, registers, phases: {}, unpredicted: [], refused: [], events: [], ...options };
}

/** A made-up SHA-384 value, the same for the same label. */
export function sha384(label: string): string {
  return digest("sha384", Buffer.from(label)).toString("hex");
}

function event(register: RegisterName, label: string, source: MeasuredEvent["source"]): MeasuredEvent {
  const digests = Object.fromEntries(
    FIXTURE_BANKS.map((bank) => [bank, digest(bank, Buffer.from(label)).toString("hex")]),
  );
  return { register, type: "EV_IPL", label, digests, source };
}
