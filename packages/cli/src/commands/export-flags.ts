import { CvmError } from "@cvm-build/bytes";
import { EXPORT_FORMATS, type ExportFormatName, type ExportImageRequest, type TdxFields } from "@cvm-build/image";
import type { Argv } from "yargs";
import type { Flags } from "../command.ts";
import { keyFlags, number, text, texts } from "../flags.ts";

/** Fields of a TD's report by the names that `--tdx` takes. */
const TDX_FIELDS = {
  "tee-tcb-svn": "teeTcbSvn",
  "mr-seam": "mrSeam",
  "td-attributes": "tdAttributes",
  xfam: "xfam",
  "mr-config-id": "mrConfigId",
  "mr-owner": "mrOwner",
  "mr-owner-config": "mrOwnerConfig",
} as const satisfies Record<string, keyof TdxFields>;

/** Flags of what is exported: formats, registers, and what single formats hold beside registers. */
export function exportFlags(parser: Argv): Argv {
  const formats = parser
    .option("format", {
      type: "string",
      array: true,
      nargs: 1,
      choices: Object.keys(EXPORT_FORMATS),
      describe: "Reference values as a verifier reads them; several may be given",
      default: [],
    })
    .option("output-dir", { type: "string", requiresArg: true, describe: "Where these go [default: standard output]" })
    .option("pin", {
      type: "string",
      requiresArg: true,
      describe: "Registers that a verifier is to compare, such as pcr4,pcr11 [default: the format's]",
    })
    .option("float", { type: "string", requiresArg: true, describe: "Registers that are left to the host" });
  return detailFlags(keyFlags(formats));
}

function detailFlags(parser: Argv): Argv {
  return parser
    .option("producer", { type: "string", requiresArg: true, describe: "Who publishes the values" })
    .option("producer-uri", { type: "string", requiresArg: true, describe: "A URI that names them" })
    .option("key", {
      type: "string",
      requiresArg: true,
      describe: "The key that signs `scai` and `id-block`: a file, or whoever holds it",
    })
    .option("author-key", { type: "string", requiresArg: true, describe: "The key that speaks for that of `id-block`" })
    .option("guest-policy", { type: "string", requiresArg: true, describe: "Of `id-block`, such as 0x30000" })
    .option("guest-svn", { type: "number", requiresArg: true, describe: "Security version of `id-block`" })
    .option("valid-until", {
      type: "string",
      requiresArg: true,
      describe: "When `corim` ends, such as 2027-05-28T00:00:00Z",
    })
    .option("tdx", {
      type: "string",
      array: true,
      nargs: 1,
      describe: `A field of a TD's report, FIELD=HEX: ${Object.keys(TDX_FIELDS).join(", ")}`,
      default: [],
    })
    .option("constellation-version", { type: "string", requiresArg: true, describe: "Such as v1.2.3" })
    .option("aws-principal", { type: "string", requiresArg: true, describe: "The ARN that `aws-kms` lets use the key" })
    .option("scrtm-version", {
      type: "string",
      array: true,
      nargs: 1,
      describe: "A version id of firmware that the policy of `go-tpm-tools` allows, as hex",
      default: [],
    })
    .option("minimum-gce-firmware", {
      type: "number",
      requiresArg: true,
      describe: "The least version of Google's firmware that it allows",
    });
}

/** What the flags want exported, or undefined where they want registers shown. */
export function exportOf(flags: Flags): Omit<ExportImageRequest, "measure"> | undefined {
  const formats = Object.keys(EXPORT_FORMATS).filter((format): format is ExportFormatName =>
    texts(flags, "format").includes(format),
  );
  if (formats.length === 0) return undefined;
  const [pin, float] = [text(flags, "pin"), text(flags, "float")];
  const [key, authorKey, outputDirectory] = [text(flags, "key"), text(flags, "author-key"), text(flags, "output-dir")];
  return {
    export: {
      formats,
      ...(pin !== undefined && { pin: pin.split(",") }),
      ...(float !== undefined && { float: float.split(",") }),
      ...detailsOf(flags),
    },
    ...(outputDirectory !== undefined && { outputDirectory }),
    ...(key !== undefined && { key }),
    ...(authorKey !== undefined && { authorKey }),
  };
}

function detailsOf(flags: Flags): Omit<ExportImageRequest["export"], "formats"> {
  const [name, uri, until] = [text(flags, "producer"), text(flags, "producer-uri"), text(flags, "valid-until")];
  const [version, awsPrincipal] = [text(flags, "constellation-version"), text(flags, "aws-principal")];
  const minimumGceVersion = flags["minimum-gce-firmware"];
  return {
    ...(name !== undefined && { producer: { name, ...(uri !== undefined && { uri }) } }),
    ...(until !== undefined && { validity: { notAfterSec: secondsOf(until) } }),
    ...(version !== undefined && { constellation: { version } }),
    ...(awsPrincipal !== undefined && { awsPrincipal }),
    idBlock: idBlockOf(flags),
    tdx: Object.fromEntries(texts(flags, "tdx").map(tdxField)),
    tpmFirmware: {
      scrtmVersionIds: texts(flags, "scrtm-version"),
      ...(typeof minimumGceVersion === "number" && { minimumGceVersion }),
    },
  };
}

function idBlockOf(flags: Flags) {
  const [policy, guestSvn] = [text(flags, "guest-policy"), number(flags, "guest-svn")];
  if (policy !== undefined && !/^0x[0-9a-f]{1,16}$/.test(policy)) {
    throw new CvmError("usage", `cannot read flag "--guest-policy": expected hex such as 0x30000, got "${policy}"`);
  }
  return { ...(policy !== undefined && { policy: BigInt(policy) }), ...(guestSvn !== undefined && { guestSvn }) };
}

function tdxField(given: string): [keyof TdxFields, string] {
  const at = given.indexOf("=");
  const [name, hex] = [given.slice(0, Math.max(at, 0)), given.slice(at + 1)];
  if (Object.hasOwn(TDX_FIELDS, name)) return [TDX_FIELDS[name as keyof typeof TDX_FIELDS], hex];
  const known = Object.keys(TDX_FIELDS).join(", ");
  throw new CvmError("usage", `cannot read flag "--tdx": expected FIELD=HEX with one of ${known}, got "${given}"`);
}

function secondsOf(given: string): number {
  const milliseconds = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/.test(given) ? Date.parse(given) : Number.NaN;
  if (!Number.isNaN(milliseconds)) return milliseconds / 1000;
  throw new CvmError(
    "usage",
    `cannot read flag "--valid-until": expected a time such as 2027-05-28T00:00:00Z, got "${given}"`,
  );
}
