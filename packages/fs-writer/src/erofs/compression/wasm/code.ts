/**
 * A piece of a WebAssembly function: bytes of instructions, with blocks and branches whose labels are still names. An
 * expression leaves one value on the stack, a statement none.
 * @see WebAssembly Core Specification, 5.4, "Instructions"
 */
export type Code = readonly (number | Block | Branch)[];

interface Block {
  opcode: number;
  label: string;
  body: Code;
}

interface Branch {
  opcode: number;
  target: string;
}

/** A function's variable. */
export interface Variable {
  get: Code;
  set(value: Code): Code;
  /** Adds to a variable of type i32. */
  add(value: Code): Code;
}

/** Encodes an unsigned number in LEB128. */
export function unsignedLeb(value: number): number[] {
  const bytes: number[] = [];
  for (let rest = value; ; rest >>>= 7) {
    if (rest < 0x80) return [...bytes, rest];
    bytes.push((rest & 0x7f) | 0x80);
  }
}

/** Encodes a signed number in LEB128. */
export function signedLeb(value: bigint): number[] {
  const bytes: number[] = [];
  for (let rest = value; ; rest >>= 7n) {
    const low = Number(rest & 0x7fn);
    const isLast = (rest >> 6n === 0n || rest >> 6n === -1n) && rest >> 7n === ((low & 0x40) !== 0 ? -1n : 0n);
    if (isLast) return [...bytes, low];
    bytes.push(low | 0x80);
  }
}

/** The variable with that index, parameters first. */
export function variable(index: number): Variable {
  const get: Code = [0x20, ...unsignedLeb(index)];
  const set = (value: Code): Code => [...value, 0x21, ...unsignedLeb(index)];
  return { get, set, add: (value) => set(i32.add(get, value)) };
}

const operation =
  (...opcode: number[]) =>
  (...operands: Code[]): Code => [...operands.flat(), ...opcode];

/** A load or store at an address plus a constant, of any alignment. */
const access =
  (...opcode: number[]) =>
  (address: Code, ...rest: Code[]): Code => [...address, ...rest.flat(), ...opcode, 0, 0];

/** Instructions on 32-bit integers. Loads and stores take an address first. */
export const i32 = {
  const: (value: number): Code => [0x41, ...signedLeb(BigInt(value | 0))],
  eqz: operation(0x45),
  eq: operation(0x46),
  ne: operation(0x47),
  ltU: operation(0x49),
  gtS: operation(0x4a),
  gtU: operation(0x4b),
  leU: operation(0x4d),
  geS: operation(0x4e),
  geU: operation(0x4f),
  add: operation(0x6a),
  sub: operation(0x6b),
  mul: operation(0x6c),
  divU: operation(0x6e),
  remU: operation(0x70),
  and: operation(0x71),
  or: operation(0x72),
  shl: operation(0x74),
  shrS: operation(0x75),
  shrU: operation(0x76),
  wrap: operation(0xa7),
  select: operation(0x1b),
  load: access(0x28),
  load8: access(0x2d),
  load16: access(0x2f),
  store: access(0x36),
  store8: access(0x3a),
  store16: access(0x3b),
} as const;

/** Instructions on 64-bit integers. */
export const i64 = {
  const: (value: bigint): Code => [0x42, ...signedLeb(BigInt.asIntN(64, value))],
  eqz: operation(0x50),
  ctz: operation(0x7a),
  mul: operation(0x7e),
  xor: operation(0x85),
  shl: operation(0x86),
  shrU: operation(0x88),
  load: access(0x29),
} as const;

/** Instructions on 16 bytes, and on memory as a whole: target, source or value, count of bytes. */
export const bytes = {
  load16Bytes: access(0xfd, 0x00),
  store16Bytes: access(0xfd, 0x0b),
  copy: operation(0xfc, 0x0a, 0, 0),
  fill: operation(0xfc, 0x0b, 0),
} as const;

/** Statements that run once; `leave` of their label goes behind them. */
export function block(label: string, ...body: Code[]): Code {
  return [{ opcode: 0x02, label, body: body.flat() }];
}

/** Statements that run again as long as they `leave` for their own label. */
export function loop(label: string, ...body: Code[]): Code {
  return [{ opcode: 0x03, label, body: body.flat() }];
}

/** Statements that run where the condition is not zero. */
export function when(condition: Code, ...body: Code[]): Code {
  return [...condition, { opcode: 0x04, label: "", body: body.flat() }];
}

/** Goes behind the block, or to the start of the loop, of that label. */
export function leave(target: string): Code {
  return [{ opcode: 0x0c, target }];
}

/** As `leave`, where the condition is not zero. */
export function leaveIf(target: string, condition: Code): Code {
  return [...condition, { opcode: 0x0d, target }];
}

const NO_RESULT = 0x40;
const END = 0x0b;

/** Gives every label its depth. `labels` are those of the blocks around, the outermost first. */
export function assemble(code: Code, labels: readonly string[] = []): number[] {
  return code.flatMap((item) => {
    if (typeof item === "number") return [item];
    if ("body" in item) return [item.opcode, NO_RESULT, ...assemble(item.body, [...labels, item.label]), END];
    const depth = labels.length - 1 - labels.lastIndexOf(item.target);
    if (depth >= labels.length) throw new Error(`expected a block around named "${item.target}"`);
    return [item.opcode, ...unsignedLeb(depth)];
  });
}
