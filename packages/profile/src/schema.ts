import { createRequire } from "node:module";
import type { z as Zod } from "zod";
import { DURATION, SIZE } from "./quantity.ts";

const load = createRequire(import.meta.url);

/** Loads zod when a schema is first needed: it takes longer than reading a whole profile without YAML. */
export function zod(): typeof Zod {
  return (load("zod") as typeof import("zod")).z;
}

/**
 * Makes the parts that schemas of declarations are built of. The message of each says what is expected, so that
 * `YamlDocument` can complete it to an error with a place.
 */
export function schemaParts(z: typeof Zod) {
  const text = (expected: string, pattern: RegExp = /^[^\0]*$/) =>
    z.string({ error: expected }).regex(pattern, { error: expected });
  // Each branch says the same, since a union with one branch left over speaks with that branch's words.
  const numberOrText = (least: number, pattern: RegExp, expected: string) =>
    z.union([z.number({ error: expected }).min(least, { error: expected }), text(expected, pattern)], {
      error: expected,
    });
  const account = text("an account's name of lower-case letters, digits, - and _", ACCOUNT_NAME);
  const command = z
    .union(
      [
        text("a command line", /\S/),
        z.array(text("an argument"), { error: "arguments" }).min(1, { error: "arguments" }),
      ],
      {
        error: "a command line, or a list of arguments",
      },
    )
    .describe("A command line split as a shell does (nothing is expanded), or a list of arguments.");
  return {
    text,
    account,
    command,
    list: <T extends Zod.ZodType>(item: T) => z.array(item, { error: "a list" }),
    mapping: <T extends Zod.ZodRawShape>(shape: T) =>
      z.strictObject(shape, { error: (issue) => (issue.code === "unrecognized_keys" ? undefined : "a mapping") }),
    oneOf: <const T extends readonly [string, ...string[]]>(values: T) =>
      z.enum(values, { error: `one of ${values.join(", ")}` }),
    whole: (least: number, most: number) => {
      const error = `a whole number ${least}..${most}`;
      return z.int({ error }).min(least, { error }).max(most, { error });
    },
    duration: numberOrText(0, DURATION, "a duration such as 5s or 2min"),
    size: numberOrText(1, SIZE, "a size such as 512M or 2G"),
    numberOrText,
    absolutePath: text("an absolute path", /^\/[^\0]*$/),
    address: text("an http or https address", /^https?:\/\/[^\s"<>]+$/),
  };
}

/** What useradd takes as the name of an account. */
const ACCOUNT_NAME = /^[a-z_][a-z0-9_-]{0,30}$/;
/** What every init system takes as the name of a service, and useradd as that of an account. */
export const SERVICE_NAME = /^[a-z][a-z0-9_-]{0,30}$/;

/** The parts that `schemaParts` makes. */
export type SchemaParts = ReturnType<typeof schemaParts>;

/** A JSON Schema of what the author of a file may write. */
export function jsonSchemaOf(schema: Zod.ZodType, title: string): Record<string, unknown> {
  return { title, ...zod().toJSONSchema(schema, { io: "input" }) };
}
