import { type KeyAlgorithm, type KeysReport, makeKeys, type Surroundings } from "@cvm-build/image";
import type { Command, Flags, Outcome } from "../command.ts";
import { number, text, texts } from "../flags.ts";
import type { Painter } from "../render/painter.ts";

/** The kinds of key, without loading what makes them. */
const ALGORITHMS = Object.keys({
  rsa2048: true,
  rsa3072: true,
  rsa4096: true,
  p256: true,
  p384: true,
} satisfies Record<KeyAlgorithm, true>) as KeyAlgorithm[];

/** `cvm-build keys`: the keys of Secure Boot and of PCR policies. */
export const keys: Command = {
  name: "keys <directory>",
  summary: "Make a set of keys: PK, KEK and db of Secure Boot with what enrols them, and one for PCR policies",
  examples: [
    ["$0 keys keys --name Example", "keys/db.key signs images; keys/*.auth is what systemd-boot enrols"],
    [
      "$0 keys keys --variable-store /usr/share/OVMF/OVMF_VARS_4M.fd",
      "also keys/OVMF_VARS.fd, with which QEMU enforces Secure Boot",
    ],
  ],
  flags: (parser) =>
    parser
      .positional("directory", { type: "string", describe: "Where they are put", demandOption: true })
      .option("name", { type: "string", requiresArg: true, describe: "Whose keys they are", default: "cvm-build" })
      .option("algorithm", {
        type: "string",
        requiresArg: true,
        choices: ALGORITHMS,
        describe: "Kind of the Secure Boot keys",
        default: "rsa2048",
      })
      .option("owner", {
        type: "string",
        requiresArg: true,
        describe: "GUID of the owner in firmware's variables [default: random]",
      })
      .option("valid-years", {
        type: "number",
        requiresArg: true,
        describe: "How long the certificates are valid, which no firmware looks at",
        default: 20,
      })
      .option("db-cert", {
        type: "string",
        array: true,
        nargs: 1,
        describe: "Somebody else's certificate for db, whose images the machine starts too",
        default: [],
      })
      .option("variable-store", {
        type: "string",
        requiresArg: true,
        describe: "An empty variable store of OVMF to enrol the keys into",
      }),
  async run(flags: Flags, surroundings: Surroundings): Promise<Outcome> {
    const owner = text(flags, "owner");
    const variableStore = text(flags, "variable-store");
    const algorithm = ALGORITHMS.find((name) => name === text(flags, "algorithm")) ?? "rsa2048";
    const request = {
      output: text(flags, "directory") ?? "",
      algorithm,
      name: text(flags, "name") ?? "",
      ...(owner !== undefined && { owner }),
      dbCertificates: texts(flags, "db-cert"),
      validYears: number(flags, "valid-years") ?? 0,
      ...(variableStore !== undefined && { variableStore }),
    };
    const report = await makeKeys(request, surroundings);
    return { json: report, text: (painter) => renderKeys(report, painter), exitCode: 0 };
  },
};

function renderKeys({ directory, owner, files }: KeysReport, painter: Painter): string {
  const lines = files.map(({ name, private: isPrivate }) =>
    isPrivate ? `${name}  ${painter("yellow", "private")}` : name,
  );
  return `${painter("bold", directory)}  owner ${owner}\n${lines.map((line) => `  ${line}\n`).join("")}`;
}
