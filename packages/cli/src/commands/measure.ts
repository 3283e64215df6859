import { HASH_ALGORITHMS } from "@cvm-build/bytes";
import { exportImage, type ImageExport, measureImage, type MeasureRequest, type Surroundings } from "@cvm-build/image";
import type { Argv } from "yargs";
import type { Command, Flags, Outcome } from "../command.ts";
import { text, texts } from "../flags.ts";
import { numbersOf, sizesOf } from "../number-list.ts";
import { exportFlags, exportOf } from "./export-flags.ts";
import { renderExport } from "../render/export.ts";
import { renderMeasurements } from "../render/measurements.ts";

/** `cvm-build measure`: the registers of a finished image on platforms, from its own bytes. */
export const measure: Command = {
  name: "measure <image>",
  summary: "Predict the registers of an image, made by anyone, on platforms, from its own bytes",
  examples: [
    ["$0 measure build/minimal/minimal.efi", "registers when the system in it reaches no phase"],
    ["$0 measure some.efi --variable-store keys/OVMF_VARS.fd", "where Secure Boot is on: PCR 7 too"],
    ["$0 measure some.efi --phases enter-initrd:leave-initrd:sysinit:ready --bank sha256", "one bank, four phases"],
    ["$0 measure some.efi --platform qemu-snp --firmware OVMF.fd --cpus 1-64", "64 launch digests"],
    ["$0 measure some.efi --platform gcp-tdx --format attested-tls --output-dir values", "what a verifier reads"],
    ["$0 measure build/minimal --format systemd-pcrlock --format scai --key release.pem", "of what its build measured"],
    [
      "$0 measure bzImage --initrd rootfs.cpio.gz --command-line 'console=hvc0' --platform mine",
      "a kernel, by -kernel",
    ],
  ],
  flags: (parser) =>
    exportFlags(platformFlags(parser))
      .positional("image", {
        type: "string",
        describe: "A UKI, or a kernel; for --format also what a build left",
        demandOption: true,
      })
      .option("initrd", { type: "string", requiresArg: true, describe: "A kernel's initrd" })
      .option("command-line", {
        type: "string",
        requiresArg: true,
        describe: "What whoever starts the image passes to it; @N in front chooses a profile of a UKI",
      })
      .option("bank", {
        type: "string",
        array: true,
        nargs: 1,
        choices: HASH_ALGORITHMS,
        describe: "A TPM bank; several may be given [default: all]",
        default: [],
      })
      .option("phases", {
        type: "string",
        requiresArg: true,
        describe: "The phase path that the boot reaches",
        default: "",
      }),
  async run(flags: Flags, surroundings: Surroundings): Promise<Outcome> {
    const [initrd, commandLine] = [text(flags, "initrd"), text(flags, "command-line")];
    const request: MeasureRequest = {
      image: text(flags, "image") ?? "",
      ...(initrd !== undefined && { initrd }),
      ...(commandLine !== undefined && { commandLine }),
      phases: (text(flags, "phases") ?? "").split(":").filter(Boolean),
      banks: HASH_ALGORITHMS.filter((bank) => texts(flags, "bank").includes(bank)),
      ...platformChoiceOf(flags),
    };
    const wanted = exportOf(flags);
    if (wanted) {
      const exported = await exportImage({ measure: request, ...wanted }, surroundings);
      return { json: exportJson(exported), text: (painter) => renderExport(exported, painter), exitCode: 0 };
    }
    const report = await measureImage(request, surroundings);
    return { json: report, text: (painter) => renderMeasurements(report, painter), exitCode: 0 };
  },
};

function exportJson({ files, pinned, left }: ImageExport) {
  return {
    files: files.map(({ bytes, path, ...file }) => ({
      ...file,
      ...(path === undefined ? { base64: bytes.toString("base64") } : { path }),
    })),
    pinned,
    left,
  };
}

/** Flags of the commands that predict registers of platforms. */
export function platformFlags(parser: Argv): Argv {
  return parser
    .option("platform", {
      type: "string",
      array: true,
      nargs: 1,
      describe: "A platform, such as qemu-tdx; several may be given [default: qemu-ovmf]",
      default: [],
    })
    .option("firmware", { type: "string", requiresArg: true, describe: "Firmware in place of the platforms' own" })
    .option("variable-store", {
      type: "string",
      requiresArg: true,
      describe: "A variable store of OVMF with enrolled keys [default: Secure Boot is off]",
    })
    .option("memory", { type: "string", requiresArg: true, describe: "Sizes of memory, such as 2G,4G" })
    .option("cpus", { type: "string", requiresArg: true, describe: "Numbers of CPUs, such as 1,2,8-16" })
    .option("qemu", { type: "string", requiresArg: true, describe: "Versions of QEMU, such as 9.2,10.0" })
    .option("cpu-model", { type: "string", requiresArg: true, describe: "CPU models of QEMU, such as EPYC-Milan" });
}

/** The platforms and machines that the flags choose. */
export function platformChoiceOf(
  flags: Flags,
): Pick<MeasureRequest, "platforms" | "firmware" | "variableStore" | "variations"> {
  const [firmware, variableStore] = [text(flags, "firmware"), text(flags, "variable-store")];
  const words = (name: string) => (text(flags, name) ?? "").split(",").filter(Boolean);
  return {
    platforms: texts(flags, "platform"),
    ...(firmware !== undefined && { firmware }),
    ...(variableStore !== undefined && { variableStore }),
    variations: {
      memoryBytes: sizesOf("memory", words("memory")),
      cpus: numbersOf("cpus", words("cpus")),
      versions: words("qemu"),
      cpuModels: words("cpu-model"),
    },
  };
}
