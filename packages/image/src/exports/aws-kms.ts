import { canonicalJson, compareCodeUnits } from "@cvm-build/bytes";
import { combinations, digestOf, indexOf } from "./combinations.ts";
import { exportError } from "./export-error.ts";
import type { EncodeExport, PinnedPlatform } from "./reference-values.ts";

/** A set of values that one boot shows, as condition key and value, in the order of PCRs. */
type Choice = readonly (readonly [key: string, value: string])[];

/** Operations that take an attestation document. @see AWS KMS, "Condition keys for NitroTPM" */
const ACTIONS = [
  "kms:Decrypt",
  "kms:DeriveSharedSecret",
  "kms:GenerateDataKey",
  "kms:GenerateDataKeyPair",
  "kms:GenerateRandom",
];

/**
 * Writes a key policy. An `Allow` with conditions restricts nothing, since any other `Allow` may grant the same; so statements
 * that deny come first, which refuse every request whose document is missing or shows other PCRs.
 * @see AWS KMS, "Condition keys for NitroTPM"; AWS IAM, "Policy evaluation logic"
 */
export const encodeAwsKms: EncodeExport = ({ measurements: { image }, platforms }, { awsPrincipal }) => {
  requireSamePcrs(platforms);
  const every = platforms
    .flatMap(combinations)
    .map((registers): Choice => registers.map(({ name, value }) => [conditionKey(indexOf(name)), digestOf(value)]));
  const choices = [...new Map(every.map((choice) => [String(choice), choice])).values()];
  const denials = denialsOf(choices).map((condition, index) => ({
    Sid: `DenyOtherImages${index + 1}`,
    Effect: "Deny",
    Principal: { AWS: "*" },
    Action: ACTIONS,
    Resource: "*",
    Condition: condition,
  }));
  const grants =
    awsPrincipal === undefined
      ? []
      : choices.map((choice, index) => ({
          Sid: `AllowImage${index + 1}`,
          Effect: "Allow",
          Principal: { AWS: awsPrincipal },
          Action: ACTIONS,
          Resource: "*",
          Condition: { StringEquals: Object.fromEntries(choice) },
        }));
  const policy = { Version: "2012-10-17", Statement: [...denials, ...grants] };
  return [{ fileName: `${image.id}.kms-policy.json`, bytes: Buffer.from(canonicalJson(policy)) }];
};

/** Platforms that pin different PCRs would let each other's requests pass. */
function requireSamePcrs(platforms: readonly PinnedPlatform[]): void {
  const lists = new Set(platforms.map(({ registers }) => registers.map(({ name }) => name).join(", ")));
  if (lists.size <= 1) return;
  throw exportError("key policy as aws-kms", {
    expected: "the same PCRs on every platform",
    got: [...lists].join(" and "),
    hint: "say which with --pin, or name one platform with --platform",
  });
}

function conditionKey(pcr: number): string {
  return `kms:RecipientAttestation:NitroTPMPCR${pcr}`;
}

/**
 * Conditions of which one holds exactly where a request shows none of the choices: the first PCR must be one of its values,
 * and below each of them the next PCR one of those that go with it. A key that is missing counts as different.
 */
function denialsOf(choices: readonly Choice[], shown: Choice = []): object[] {
  const depth = shown.length;
  const [key] = choices[0]?.[depth] ?? [];
  if (key === undefined) return [];
  const values = [...new Set(choices.map((choice) => choice[depth]?.[1] ?? ""))].sort(compareCodeUnits);
  return [
    {
      ...(depth > 0 && { StringEquals: Object.fromEntries(shown) }),
      StringNotEquals: { [key]: values },
    },
    ...values.flatMap((value) =>
      denialsOf(
        choices.filter((choice) => choice[depth]?.[1] === value),
        [...shown, [key, value]],
      ),
    ),
  ];
}
