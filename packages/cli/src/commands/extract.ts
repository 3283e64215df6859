import { extractImage, type Surroundings } from "@cvm-build/image";
import type { Command, Flags, Outcome } from "../command.ts";
import { EXIT } from "../exit-code.ts";
import { text, texts } from "../flags.ts";
import { renderExtraction } from "../render/extraction.ts";

/** `cvm-build extract`: files, partitions and sections of an image. */
export const extract: Command = {
  name: "extract <image> [wanted..]",
  summary: "Take files, partitions or sections out of an image, as any user",
  examples: [
    ["$0 extract disk.raw --output parts", "every partition in a file"],
    ["$0 extract disk.raw /etc /usr/lib/os-release --output files", "files as the booted system would see them"],
    ["$0 extract minimal.efi .initrd .cmdline --output sections", "sections of a UKI"],
    ["$0 extract rootfs.erofs --output root", "all files; what a folder cannot hold is in root.mtree"],
  ],
  flags: (parser) =>
    parser
      .positional("image", { type: "string", describe: "An image, made by anyone", demandOption: true })
      .positional("wanted", {
        type: "string",
        array: true,
        describe: "Paths (/etc), sections (.initrd), partitions (partition:root, partition:2) [default: all there is]",
        default: [],
      })
      .option("output", {
        alias: "o",
        type: "string",
        requiresArg: true,
        demandOption: true,
        describe: "A folder that is not there yet",
      }),
  async run(flags: Flags, surroundings: Surroundings): Promise<Outcome> {
    const request = {
      image: text(flags, "image") ?? "",
      wanted: texts(flags, "wanted"),
      output: text(flags, "output") ?? "",
    };
    const report = await extractImage(request, surroundings);
    return { json: report, text: (painter) => renderExtraction(report, painter), exitCode: EXIT.done };
  },
};
