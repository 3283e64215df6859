import { CvmError } from "@cvm-build/bytes";
import { inspectImage, type ListingForm, listImage, type Surroundings } from "@cvm-build/image";
import type { Command, Flags, Outcome } from "../command.ts";
import { EXIT } from "../exit-code.ts";
import { isSet, text } from "../flags.ts";
import { isVerified, renderDissection } from "../render/dissection.ts";
import { renderInspection } from "../render/inspection.ts";
import { oneLine } from "../render/terminal-text.ts";

/** `cvm-build inspect`: what is in an image of any format, whoever made it. */
export const inspect: Command = {
  name: "inspect <image>",
  summary: "Print what is in an image: a UKI, disk, file system, initrd, archive or extension, made by anyone",
  examples: [
    ["$0 inspect build/minimal/minimal.efi", "sections, sizes, digests, command line, stub version"],
    ["$0 inspect disk.raw --verify", "partitions, uses, root hash, and whether the data are those that it protects"],
    ["$0 inspect disk.raw --mtree", "every file with owner, mode and digest, as systemd-dissect --mtree"],
  ],
  flags: (parser) =>
    parser
      .positional("image", { type: "string", describe: "An image, made by anyone", demandOption: true })
      .option("list", { type: "boolean", describe: "Print the paths of its files", default: false })
      .option("mtree", { type: "boolean", describe: "Print its files as an mtree manifest", default: false })
      .option("verify", {
        type: "boolean",
        describe: "Compare data with its dm-verity hash tree, all of it",
        default: false,
      }),
  async run(flags: Flags, surroundings: Surroundings): Promise<Outcome> {
    const image = text(flags, "image") ?? "";
    const form = listingForm(flags);
    if (form) {
      const lines = await listImage({ image, form }, surroundings);
      return {
        json: { format: form, entries: lines.map((line) => line.slice(0, -1)) },
        text: () => lines.map((line) => `${oneLine(line.slice(0, -1))}\n`).join(""),
        exitCode: EXIT.done,
      };
    }
    const verify = isSet(flags, "verify");
    const report = await inspectImage({ image, verify }, surroundings);
    if ("sections" in report) {
      return { json: report, text: (painter) => renderInspection(report, painter), exitCode: EXIT.done };
    }
    const isDamaged = report.contents?.problem !== undefined;
    const exitCode = verify && !isVerified(report) ? EXIT.failed : EXIT.done;
    return {
      json: report,
      text: (painter) => renderDissection(report, painter),
      exitCode: isDamaged ? EXIT.input : exitCode,
    };
  },
};

function listingForm(flags: Flags): ListingForm | undefined {
  const forms = (["list", "mtree"] as const).filter((form) => isSet(flags, form));
  if (forms.length > 1 || (forms.length > 0 && isSet(flags, "verify"))) {
    throw new CvmError("usage", "cannot read the command line: expected one of --list, --mtree and --verify");
  }
  return forms[0];
}
