import type { RegisterName } from "@cvm-build/measure";
import { exportError } from "./export-error.ts";
import type { ExportFormatName } from "./export-formats.ts";
import type { PinnedPlatform, PinnedRegister } from "./reference-values.ts";

/** PCRs that differ from image to image, or from signer to signer. */
const OF_AN_IMAGE: readonly RegisterName[] = ["pcr4", "pcr7", "pcr8", "pcr9", "pcr11"];

/** What the hashes that QEMU adds are called in the events of a launch. */
const KERNEL_HASHES = /^(kernel hashes|SNP_KERNEL_HASHES)\b/;

/**
 * Refuses a choice of registers with which a verifier would accept images that nobody measured.
 * @throws CvmError `export`
 */
export function refuseWeakPins(platform: PinnedPlatform, format: ExportFormatName): void {
  const { name, traits, registers } = platform;
  const what = `"${name}" as ${format}`;
  const extended = new Set(registers.filter(isExtended).map((register) => register.name));
  const idle = registers.flatMap((register) => (extended.has(register.name) ? [] : register.name));
  const got = [...extended, ...(idle.length > 0 ? [`${idle.join(", ")} as at power-on`] : [])].join(", ");
  if (registers.length === 0) {
    throw exportError(what, {
      expected: "a register to compare",
      got: "none, with which a verifier accepts anything",
      hint: "name registers that are predicted with --pin, or float fewer",
    });
  }
  // An ID block tells the hardware what to start, and nobody what was started.
  if (format === "id-block") return;
  if (extended.has("launchDigest") && !isLaunchOfFirmware(platform)) return;
  const [unmeasured] = platform.unmeasured;
  if (unmeasured) {
    throw exportError(what, {
      expected: "a boot of which everything is measured",
      got: `one in which ${unmeasured.path} is not: ${unmeasured.reason}`,
      hint: "boot the image from an EFI system partition, or sign its kernel",
    });
  }
  if (OF_AN_IMAGE.some((pcr) => extended.has(pcr))) return;
  const isQuoted = traits.tee === "tdx" && (extended.has("rtmr1") || extended.has("rtmr2"));
  if (isQuoted && extended.has("mrtd")) return;
  if (isQuoted) {
    throw exportError(what, {
      expected: "MRTD beside RTMRs",
      got: `only ${got}, which any firmware can extend to these values`,
      hint: "pin mrtd too; it is predicted where the platform names its firmware",
    });
  }
  throw exportError(what, {
    expected: "a register that differs from image to image",
    got: `only ${got}, with which a verifier accepts any image`,
    hint: `pin one of ${[...OF_AN_IMAGE, "rtmr1", "rtmr2"].join(", ")} too, or have the launch digest hold the kernel's hashes`,
  });
}

/** Firmware that is launched without hashes of a kernel starts any. */
function isLaunchOfFirmware({ events }: PinnedPlatform): boolean {
  const launch = events.filter(({ register }) => register === "launchDigest");
  const hasHashes = launch.some(({ label, type }) => KERNEL_HASHES.test(label) && type !== "PAGE_TYPE_ZERO");
  return launch.some(({ label }) => /^firmware\b/.test(label)) && !hasHashes;
}

/** A register that is as it was at power-on holds nothing. */
function isExtended({ values }: PinnedRegister): boolean {
  return values.every((value) => Object.values(value).every((digest) => !/^(00|ff)+$/.test(digest)));
}
