import * as fc from "fast-check";
import { expect, test } from "vitest";
import { exportMeasurements } from "./export-measurements.ts";
import { makeMeasurements, sha384, tpmPlatform } from "./measurements.fixture.ts";

type Conditions = Record<string, Record<string, string | string[]>>;
interface Statement {
  Effect: "Allow" | "Deny";
  Principal: { AWS: string };
  Condition: Conditions;
}
/** PCR values of an attestation document by condition key; empty for a request without one. */
type Document = Record<string, string>;

/** @see AWS IAM, "Condition operators": a key that is missing matches no value, and differs from every one */
function holds(conditions: Conditions, document: Document): boolean {
  return Object.entries(conditions).every(([operator, keys]) =>
    Object.entries(keys).every(([key, values]) => {
      const isOneOf = key in document && [values].flat().includes(document[key] ?? "");
      return operator === "StringEquals" ? isOneOf : !isOneOf;
    }),
  );
}

/** @see AWS IAM, "Policy evaluation logic" */
function isAllowed(policy: readonly Statement[], document: Document): boolean {
  const matching = policy.filter((statement) => holds(statement.Condition, document));
  return matching.length > 0 && matching.every(({ Effect }) => Effect === "Allow");
}

const PCRS = [4, 7, 12] as const;
const choice = fc.tuple(fc.nat(2), fc.nat(2), fc.nat(2));
const key = (pcr: number) => `kms:RecipientAttestation:NitroTPMPCR${pcr}`;

test("lets those in whose document shows one image, and no mixture of two, whatever else is allowed", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.uniqueArray(choice, { minLength: 1, maxLength: 4, selector: String }),
      choice,
      async (images, shown) => {
        const platforms = images.map((values, index) =>
          tpmPlatform(`aws-${index}`, {
            registers: {
              pcr: { sha384: Object.fromEntries(PCRS.map((pcr, at) => [pcr, sha384(`${pcr} ${values[at]}`)])) },
            },
          }),
        );
        const request = { formats: ["aws-kms" as const], awsPrincipal: "arn:aws:iam::111122223333:role/node" };
        const { files } = await exportMeasurements(makeMeasurements(...platforms), request);
        const { Statement: policy } = JSON.parse(files[0]?.bytes.toString() ?? "") as { Statement: Statement[] };
        const document = Object.fromEntries(PCRS.map((pcr, at) => [key(pcr), sha384(`${pcr} ${shown[at]}`)]));
        const isMeasured = images.some((image) => String(image) === String(shown));
        expect(isAllowed(policy, document)).toBe(isMeasured);
        const anyone: Statement = { Effect: "Allow", Principal: { AWS: "*" }, Condition: {} };
        expect(isAllowed([anyone, ...policy], document)).toBe(isMeasured);
        expect(isAllowed([anyone, ...policy], {})).toBe(false);
        const { [key(12)]: _, ...incomplete } = document;
        expect(isAllowed([anyone, ...policy], incomplete)).toBe(false);
      },
    ),
    { numRuns: 200 },
  );
});

test("grants nothing where nobody is named", async () => {
  const { files } = await exportMeasurements(makeMeasurements(tpmPlatform("aws-nitrotpm")), { formats: ["aws-kms"] });
  const { Statement: policy } = JSON.parse(files[0]?.bytes.toString() ?? "") as { Statement: Statement[] };
  expect(policy.map(({ Effect }) => Effect)).toEqual(["Deny", "Deny"]);
});
