import { createRequire } from "node:module";
import type * as Yaml from "yaml";
import type { z as Zod } from "zod";
import { profileError, quoteText } from "./error.ts";
import type { SourcePosition } from "./position.ts";
import { jsonSchemaOf } from "./schema.ts";
import { didYouMean } from "./suggest.ts";
import { ValueFault } from "./value-fault.ts";

const load = createRequire(import.meta.url);

/** Declarations are written by people; the parser is slow on large mappings. */
const LARGEST_CHARS = 64 * 1024;

/** Where a value stands in a document. */
export type YamlPath = readonly (string | number)[];

/** What a YAML file declares, and under which names errors speak of it. */
export interface YamlSource {
  /** Completes `cannot read …`: service or artefact. */
  noun: string;
  name: string;
  /** The file's name in positions. */
  file: string;
}

/** A YAML document that knows where its values stand. */
export class YamlDocument {
  readonly value: unknown;
  readonly #source: YamlSource;
  readonly #document: Yaml.Document.Parsed;
  readonly #lines: Yaml.LineCounter;
  readonly #yaml: typeof Yaml;

  /** @throws CvmError `profile-bad-declaration` for text that is not one YAML 1.2 document */
  constructor(text: string, source: YamlSource) {
    this.#source = source;
    this.#yaml = load("yaml") as typeof Yaml;
    this.#lines = new this.#yaml.LineCounter();
    const at = { file: source.file };
    const cannot = `read ${source.noun} ${quoteText(source.name)}`;
    if (text.length > LARGEST_CHARS) {
      const got = `${text.length} characters`;
      throw profileError("profile-bad-declaration", { cannot, at, expected: `at most ${LARGEST_CHARS}`, got });
    }
    const options = { lineCounter: this.#lines, prettyErrors: false, stringKeys: true };
    this.#document = this.#yaml.parseDocument(text, options);
    const [fault] = [...this.#document.errors, ...this.#document.warnings];
    if (fault !== undefined) {
      const [message] = fault.message.split("\n");
      throw profileError("profile-bad-declaration", {
        cannot,
        at: this.#position(fault.pos[0]),
        expected: "one YAML 1.2 document",
        got: `a fault in it (${message!.replace(/\.$/, "").toLowerCase()})`,
        cause: fault,
      });
    }
    try {
      this.value = this.#document.toJS({ maxAliasCount: 100 });
    } catch (cause) {
      throw profileError("profile-bad-declaration", { cannot, at, expected: "few aliases", got: "too many", cause });
    }
  }

  /** Checks the document against a schema. @throws CvmError `profile-bad-declaration` naming the first fault's place */
  validate<T extends Zod.ZodType>(schema: T): Zod.output<T> {
    const result = schema.safeParse(this.value);
    if (result.success) return result.data;
    const issue = innermost(result.error.issues[0]!);
    if (issue.code !== "unrecognized_keys") throw this.fault(issue.path as YamlPath, issue.message);
    const key = issue.keys[0]!;
    const known = propertiesAt(jsonSchemaOf(schema, ""), issue.path as YamlPath);
    throw profileError("profile-bad-declaration", {
      cannot: `read ${this.#source.noun} ${quoteText(this.#source.name)}`,
      at: this.positionOf([...(issue.path as YamlPath), key], "key"),
      expected: `one of ${known.join(", ")}`,
      got: `the unknown key ${quoteText(key)}`,
      hint: didYouMean(key, known),
      setting: [...issue.path, key].join("."),
    });
  }

  /** Runs a step that reads the value at a path; its fault becomes an error with a place. */
  read<T>(path: YamlPath, step: () => T): T {
    try {
      return step();
    } catch (error) {
      if (error instanceof ValueFault) throw this.fault(path, error.expected, error);
      throw error;
    }
  }

  /** Makes the error of a value that is not as expected. */
  fault(path: YamlPath, expected: string, more: { got?: string; hint?: string | undefined } = {}): Error {
    const setting = path.join(".");
    const node = this.#document.getIn(path, true);
    const isNumber = this.#yaml.isScalar(node) && typeof node.value === "number";
    const isUnquoted = isNumber && more.got === undefined && !/number|duration|size|port/.test(expected);
    return profileError("profile-bad-declaration", {
      cannot: `read ${setting === "" ? "" : `${quoteText(setting)} of `}${this.#source.noun} ${quoteText(this.#source.name)}`,
      at: this.positionOf(path),
      expected,
      got: more.got ?? this.#describe(node),
      hint: more.hint ?? (isUnquoted ? "put the value in quotes" : undefined),
      setting,
    });
  }

  /** Gives the position of a value, or of the nearest thing around it. */
  positionOf(path: YamlPath, part: "key" | "value" = "value"): SourcePosition {
    for (let length = path.length; length >= 0; length--) {
      const parent = length === 0 ? undefined : this.#document.getIn(path.slice(0, length - 1), true);
      if (part === "key" && length === path.length && this.#yaml.isMap(parent)) {
        const pair = parent.items.find(({ key }) => this.#yaml.isScalar(key) && key.value === path.at(-1));
        if (this.#yaml.isScalar(pair?.key)) return this.#position(pair.key.range![0]);
      }
      const node = length === 0 ? this.#document.contents : this.#document.getIn(path.slice(0, length), true);
      if (this.#yaml.isNode(node) && node.range) return this.#position(node.range[0]);
    }
    return { file: this.#source.file, line: 1, column: 1 };
  }

  #position(offset: number): SourcePosition {
    const { line, col } = this.#lines.linePos(offset);
    return { file: this.#source.file, line: Math.max(line, 1), column: Math.max(col, 1) };
  }

  #describe(node: unknown): string {
    if (this.#yaml.isMap(node)) return "a mapping";
    if (this.#yaml.isSeq(node)) return "a list";
    if (!this.#yaml.isScalar(node) || node.value === null) return "nothing";
    return typeof node.value === "string" ? quoteText(node.value) : `the ${typeof node.value} ${node.source}`;
  }
}

/** Follows a union to the branch that the value was meant for: the one that fails deeper than at its own top. */
function innermost(issue: Zod.core.$ZodIssue): Zod.core.$ZodIssue {
  if (issue.code !== "invalid_union") return issue;
  for (const [first] of issue.errors) {
    if (first !== undefined && (first.path.length > 0 || first.code === "unrecognized_keys")) {
      return innermost({ ...first, path: [...issue.path, ...first.path] });
    }
  }
  return issue;
}

interface JsonSchemaNode {
  properties?: Record<string, JsonSchemaNode>;
  items?: JsonSchemaNode;
  anyOf?: JsonSchemaNode[];
}

/** Lists the keys that a schema knows at a path. */
function propertiesAt(schema: JsonSchemaNode, path: YamlPath): string[] {
  let nodes: JsonSchemaNode[] = [schema];
  const branches = (node: JsonSchemaNode): JsonSchemaNode[] => [node, ...(node.anyOf ?? []).flatMap(branches)];
  for (const part of path) {
    nodes = nodes.flatMap(branches).flatMap((node) => {
      const next = typeof part === "number" ? node.items : node.properties?.[part];
      return next === undefined ? [] : [next];
    });
  }
  return nodes.flatMap(branches).flatMap((node) => Object.keys(node.properties ?? {}));
}
