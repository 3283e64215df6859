import { FormatError } from "@cvm-build/bytes";
import {
  addValue,
  PROTO_LIMITS,
  type ProtoField,
  type ProtoMessage,
  protoMessage,
  type ProtoSchema,
  type ProtoValue,
} from "./schema.ts";

const SPACE = /\s+/y;
const COMMENT = /#[^\n]*/y;
/** A name or number, a quoted string, or a mark. */
const TOKEN = /([\w.+-]+)|("[^"\\\n]*(?:\\[^][^"\\\n]*)*"|'[^'\\\n]*(?:\\[^][^'\\\n]*)*')|([{}<>:;,[\]/])/y;

/** Escapes of one letter. */
const ESCAPES: Readonly<Record<string, number>> = { n: 10, r: 13, t: 9, a: 7, b: 8, f: 12, v: 11 };

/**
 * Parses a message in the text format of protocol buffers.
 * @param record its name, for errors
 * @throws FormatError where it is not in that format, or a field has another kind of value than the schema says
 * @see Protocol Buffers, "Text Format Language Specification"
 */
export function parseProtoText(record: string, text: string, schema: ProtoSchema): ProtoMessage {
  if (text.length > PROTO_LIMITS.textCharacters) {
    throw new FormatError({ record }, `expected at most ${PROTO_LIMITS.textCharacters} characters, got ${text.length}`);
  }
  const tokens = new Tokens(record, text);
  const message = parseMessage(tokens, { schema, depth: 0 });
  if (tokens.peek() !== undefined) throw tokens.error("a field", tokens.peek());
  return message;
}

interface Token {
  kind: "word" | "string" | "mark";
  text: string;
}

class Tokens {
  readonly #record: string;
  readonly #text: string;
  #offset = 0;
  #fields = 0;
  #next: Token | undefined;

  constructor(record: string, text: string) {
    this.#record = record;
    this.#text = text;
    this.#next = this.#read();
  }

  peek(): Token | undefined {
    return this.#next;
  }

  take(): Token {
    const token = this.#next;
    if (token === undefined) throw this.error("more", undefined);
    this.#next = this.#read();
    return token;
  }

  /** Takes the mark that is next, where it is one of these. */
  takeMark(...marks: string[]): string | undefined {
    const token = this.#next;
    return token?.kind === "mark" && marks.includes(token.text) ? this.take().text : undefined;
  }

  /** Counts a field of the whole text. */
  countField(): void {
    if (this.#fields++ === PROTO_LIMITS.fields) throw this.error(`at most ${PROTO_LIMITS.fields} fields`, this.#next);
  }

  error(expected: string, token: Token | undefined): FormatError {
    const place = { record: this.#record, offsetBytes: this.#offset };
    return new FormatError(
      place,
      `expected ${expected}, got ${token ? JSON.stringify(token.text.slice(0, 40)) : "the end"}`,
    );
  }

  #read(): Token | undefined {
    while (this.#skip(SPACE) || this.#skip(COMMENT));
    if (this.#offset === this.#text.length) return undefined;
    TOKEN.lastIndex = this.#offset;
    const match = TOKEN.exec(this.#text);
    if (match === null) throw this.error("text", { kind: "mark", text: this.#text.charAt(this.#offset) });
    this.#offset = TOKEN.lastIndex;
    const [, word, string, mark] = match;
    if (word !== undefined) return { kind: "word", text: word };
    if (string !== undefined) return { kind: "string", text: string };
    return { kind: "mark", text: mark ?? "" };
  }

  #skip(pattern: RegExp): boolean {
    pattern.lastIndex = this.#offset;
    if (!pattern.test(this.#text)) return false;
    this.#offset = pattern.lastIndex;
    return true;
  }
}

/** Where in a message: what its fields are, undefined in one that is passed over. */
interface Place {
  schema: ProtoSchema | undefined;
  depth: number;
}

function parseMessage(tokens: Tokens, place: Place): ProtoMessage {
  if (place.depth > PROTO_LIMITS.depth) throw tokens.error(`at most ${PROTO_LIMITS.depth} levels`, tokens.peek());
  const values = new Map<string, ProtoValue[]>();
  while (tokens.peek()?.kind === "word") {
    tokens.countField();
    const name = tokens.take().text;
    const field = place.schema && Object.hasOwn(place.schema, name) ? place.schema[name]?.[1] : undefined;
    const found = parseValues(tokens, field, place.depth);
    if (field !== undefined) for (const value of found) addValue(values, name, value);
    tokens.takeMark(";", ",");
  }
  return protoMessage(values);
}

function parseValues(tokens: Tokens, field: ProtoField | undefined, depth: number): ProtoValue[] {
  tokens.takeMark(":");
  if (tokens.takeMark("[") === undefined) return [parseValue(tokens, field, depth)];
  const values: ProtoValue[] = [];
  while (tokens.takeMark("]") === undefined) {
    tokens.countField();
    values.push(parseValue(tokens, field, depth));
    tokens.takeMark(",");
  }
  return values;
}

function parseValue(tokens: Tokens, field: ProtoField | undefined, depth: number): ProtoValue {
  const opening = tokens.takeMark("{", "<");
  if (opening !== undefined) {
    const isMessage = typeof field === "object" && "message" in field;
    if (field !== undefined && !isMessage) throw tokens.error("a value", { kind: "mark", text: opening });
    const message = parseMessage(tokens, { schema: isMessage ? field.message : undefined, depth: depth + 1 });
    if (tokens.takeMark(opening === "{" ? "}" : ">") === undefined)
      throw tokens.error("the message's end", tokens.peek());
    return message;
  }
  const token = tokens.take();
  if (token.kind === "mark" || (typeof field === "object" && "message" in field)) throw tokens.error("a value", token);
  if (field === undefined) return 0;
  if (field === "bytes") {
    if (token.kind !== "string") throw tokens.error("a string", token);
    const parts = [unescape(token.text)];
    while (tokens.peek()?.kind === "string") {
      tokens.countField();
      parts.push(unescape(tokens.take().text));
    }
    return Buffer.concat(parts);
  }
  const named = typeof field === "object" && Object.hasOwn(field.enum, token.text) ? field.enum[token.text] : undefined;
  const value = named ?? (/^(?:\d{1,15}|0x[\da-fA-F]{1,12})$/.test(token.text) ? Number(token.text) : undefined);
  if (value === undefined) throw tokens.error("a number", token);
  return value;
}

/** The bytes of a quoted string. */
function unescape(quoted: string): Buffer {
  const bytes = Buffer.from(quoted.slice(1, -1), "utf8").toString("latin1");
  return Buffer.from(
    bytes.replaceAll(/\\(x[\da-fA-F]{1,2}|[0-7]{1,3}|[^])/g, (_, code: string) => escaped(code)),
    "latin1",
  );
}

/** The byte that an escape stands for. */
function escaped(code: string): string {
  if (/^x[\da-fA-F]/.test(code)) return String.fromCharCode(Number.parseInt(code.slice(1), 16));
  if (/^[0-7]/.test(code)) return String.fromCharCode(Number.parseInt(code, 8) & 0xff);
  const letter = Object.hasOwn(ESCAPES, code) ? ESCAPES[code] : undefined;
  return letter === undefined ? code : String.fromCharCode(letter);
}
