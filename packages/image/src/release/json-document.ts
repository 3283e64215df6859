import { FormatError } from "@cvm-build/bytes";

/** A value inside a JSON document of foreign origin. Each step and reading checks what is there. */
export class JsonPlace {
  readonly value: unknown;
  readonly #record: string;
  readonly #path: string;

  constructor(value: unknown, record: string, path = "") {
    this.value = value;
    this.#record = record;
    this.#path = path;
  }

  /** Says whether this is an object that has the field. */
  has(name: string): boolean {
    const { value } = this;
    return value !== null && typeof value === "object" && !Array.isArray(value) && Object.hasOwn(value, name);
  }

  /** @throws FormatError where this is no object that has the field */
  at(name: string): JsonPlace {
    if (!this.has(name)) throw this.#wrong(`a field ${name}`);
    return new JsonPlace((this.value as Record<string, unknown>)[name], this.#record, `${this.#path}.${name}`);
  }

  /** @throws FormatError */
  text(): string {
    if (typeof this.value === "string") return this.value;
    throw this.#wrong("a text");
  }

  /** @throws FormatError where this is no list, or one of more than `limit` items */
  list(limit: number): JsonPlace[] {
    if (!Array.isArray(this.value) || this.value.length > limit) throw this.#wrong(`a list of at most ${limit}`);
    return this.value.map((item: unknown, index) => new JsonPlace(item, this.#record, `${this.#path}[${index}]`));
  }

  /** @throws FormatError where this is no object, or one of more than `limit` fields */
  fields(limit: number): [name: string, place: JsonPlace][] {
    const { value } = this;
    const names = value !== null && typeof value === "object" && !Array.isArray(value) ? Object.keys(value) : undefined;
    if (names === undefined || names.length > limit) throw this.#wrong(`an object of at most ${limit} fields`);
    return names.map((name) => [name, this.at(name)]);
  }

  #wrong(expected: string): FormatError {
    const { value } = this;
    const got = value === null ? "null" : Array.isArray(value) ? "a list" : `a value of type ${typeof value}`;
    return new FormatError(
      { record: this.#record, field: this.#path || "document" },
      `expected ${expected}, got ${got}`,
    );
  }
}

/**
 * Parses a JSON document.
 * @throws FormatError
 */
export function parseJson(text: string, record: string): JsonPlace {
  try {
    return new JsonPlace(JSON.parse(text) as unknown, record);
  } catch (cause) {
    throw new FormatError({ record }, "expected JSON", { cause });
  }
}
