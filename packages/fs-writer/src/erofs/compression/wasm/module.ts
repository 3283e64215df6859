import { assemble, type Code, unsignedLeb, type Variable, variable } from "./code.ts";

/** Value types. @see WebAssembly Core Specification, 5.3.1 */
const TYPES = { i32: 0x7f, i64: 0x7e } as const;
type TypeName = keyof typeof TYPES;

/** What a function that a module exports is made of; all its parameters and results are of type i32. */
export interface WasmFunctionParts<P extends string, L extends string> {
  name: string;
  parameters: readonly P[];
  resultCount: number;
  locals: Readonly<Record<L, TypeName>>;
  /** Statements, then one expression a result. */
  body(variables: Readonly<Record<P | L, Variable>>): Code;
}

/** A function of a module, encoded. */
export interface WasmFunction {
  name: string;
  parameterCount: number;
  resultCount: number;
  code: readonly number[];
}

const HEADER = [0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0];
const SECTION = { type: 1, import: 2, function: 3, export: 7, code: 10 } as const;
const FUNCTION_TYPE = 0x60;
const MEMORY_IMPORT = [0x02, 0x00];
const FUNCTION_EXPORT = 0x00;
const END = 0x0b;

/**
 * Encodes a module that imports its memory as `host.memory` and exports functions.
 * @see WebAssembly Core Specification, 5.5, "Modules"
 */
export function encodeModule(functions: readonly WasmFunction[]): Uint8Array<ArrayBuffer> {
  const types = functions.map(({ parameterCount, resultCount }) => [
    FUNCTION_TYPE,
    ...vector(Array.from({ length: parameterCount }, () => [TYPES.i32])),
    ...vector(Array.from({ length: resultCount }, () => [TYPES.i32])),
  ]);
  const memory = [...text("host"), ...text("memory"), ...MEMORY_IMPORT, ...unsignedLeb(1)];
  return Uint8Array.from([
    ...HEADER,
    ...section(SECTION.type, vector(types)),
    ...section(SECTION.import, vector([memory])),
    ...section(SECTION.function, vector(functions.map((_, index) => unsignedLeb(index)))),
    ...section(
      SECTION.export,
      vector(functions.map(({ name }, index) => [...text(name), FUNCTION_EXPORT, ...unsignedLeb(index)])),
    ),
    ...section(SECTION.code, vector(functions.map(({ code }) => code))),
  ]);
}

/** Encodes a function. Its variables are known by name in `body`, whose labels must match. */
export function encodeFunction<const P extends string, const L extends string>(
  parts: WasmFunctionParts<P, L>,
): WasmFunction {
  const { name, parameters, resultCount, locals, body } = parts;
  const names = [...parameters, ...Object.keys(locals)];
  const variables = Object.fromEntries(names.map((each, index) => [each, variable(index)]));
  const declared = Object.values<TypeName>(locals).map((type) => [...unsignedLeb(1), TYPES[type]]);
  const code = [...vector(declared), ...assemble(body(variables as Record<P | L, Variable>)), END];
  return { name, parameterCount: parameters.length, resultCount, code: [...unsignedLeb(code.length), ...code] };
}

function section(id: number, content: readonly number[]): number[] {
  return [id, ...unsignedLeb(content.length), ...content];
}

function vector(items: readonly (readonly number[])[]): number[] {
  return [...unsignedLeb(items.length), ...items.flat()];
}

function text(value: string): number[] {
  return vector([...Buffer.from(value)].map((byte) => [byte]));
}
