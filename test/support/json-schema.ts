/** A JSON Schema of draft 2020-12 that uses no more keywords than `CHECKS` and `ANNOTATIONS` have. */
export type JsonSchema = Readonly<Record<string, unknown>>;

interface Place {
  value: unknown;
  schema: JsonSchema;
  /** The document's schema, for `$ref`. */
  root: JsonSchema;
  /** `.packages[3].sha256` */
  path: string;
}

const ANNOTATIONS = new Set(["$schema", "$defs", "title", "description"]);

const CHECKS: Readonly<Record<string, (argument: never, place: Place) => string[]>> = {
  $ref: (ref: string, place) => violations({ ...place, schema: definition(place.root, ref) }),
  oneOf: (schemas: JsonSchema[], place) => {
    const fitting = schemas.filter((schema) => violations({ ...place, schema }).length === 0);
    return unless(fitting.length === 1, place, `to fit one of ${schemas.length}`);
  },
  const: (expected: unknown, place) => unless(place.value === expected, place, JSON.stringify(expected)),
  enum: (known: unknown[], place) => unless(known.includes(place.value), place, JSON.stringify(known)),
  type: (type: string, place) => unless(isOfType(place.value, type), place, type),
  pattern: (pattern: string, place) =>
    typeof place.value === "string" ? unless(new RegExp(pattern, "u").test(place.value), place, pattern) : [],
  minimum: (minimum: number, place) =>
    typeof place.value === "number" ? unless(place.value >= minimum, place, `at least ${minimum}`) : [],
  items: (schema: JsonSchema, place) =>
    Array.isArray(place.value)
      ? place.value.flatMap((value, index) => violations({ ...place, value, schema, path: `${place.path}[${index}]` }))
      : [],
  required: (names: string[], place) =>
    names.flatMap((name) => unless(Object.hasOwn(fieldsOf(place), name), place, `a field ${name}`)),
  properties: (schemas: Record<string, JsonSchema>, place) =>
    Object.entries(schemas).flatMap(([name, schema]) => field(place, name, schema)),
  patternProperties: (schemas: Record<string, JsonSchema>, place) =>
    Object.entries(schemas).flatMap(([pattern, schema]) =>
      Object.keys(fieldsOf(place))
        .filter((name) => new RegExp(pattern, "u").test(name))
        .flatMap((name) => field(place, name, schema)),
    ),
  additionalProperties: (_: false, place) => {
    const { properties = {}, patternProperties = {} } = place.schema as Record<string, object>;
    const patterns = Object.keys(patternProperties).map((pattern) => new RegExp(pattern, "u"));
    const isKnown = (name: string) => Object.hasOwn(properties, name) || patterns.some((pattern) => pattern.test(name));
    return Object.keys(fieldsOf(place)).flatMap((name) => unless(isKnown(name), place, `no field ${name}`));
  },
};

/** Says where a document is not what its schema wants; nothing where it is. A keyword that is not checked is an error. */
export function schemaViolations(value: unknown, schema: JsonSchema): string[] {
  return violations({ value, schema, root: schema, path: "" });
}

function violations(place: Place): string[] {
  return Object.entries(place.schema).flatMap(([keyword, argument]) => {
    if (ANNOTATIONS.has(keyword)) return [];
    const check = CHECKS[keyword];
    if (!check) throw new Error(`no check of the keyword ${keyword} at ${place.path}`);
    return check(argument as never, place);
  });
}

function field(place: Place, name: string, schema: JsonSchema): string[] {
  const fields = fieldsOf(place);
  return Object.hasOwn(fields, name)
    ? violations({ ...place, value: fields[name], schema, path: `${place.path}.${name}` })
    : [];
}

function fieldsOf({ value }: Place): Readonly<Record<string, unknown>> {
  return isOfType(value, "object") ? (value as Record<string, unknown>) : {};
}

function isOfType(value: unknown, type: string): boolean {
  if (type === "integer") return Number.isSafeInteger(value);
  if (type === "array") return Array.isArray(value);
  if (type === "object") return value !== null && typeof value === "object" && !Array.isArray(value);
  return typeof value === type;
}

function definition(root: JsonSchema, ref: string): JsonSchema {
  const found = (root["$defs"] as Record<string, JsonSchema>)[ref.replace("#/$defs/", "")];
  if (!found) throw new Error(`no definition ${ref}`);
  return found;
}

function unless(holds: boolean, { path, value }: Place, expected: string): string[] {
  return holds ? [] : [`${path || "."}: expected ${expected}, got ${JSON.stringify(value)?.slice(0, 80)}`];
}
