import { block, bytes, type Code, i32, i64, leave, leaveIf, loop, type Variable, when } from "../wasm/code.ts";

/**
 * How an LZ4 block ends: its last bytes are literals, and no match begins close to its end.
 * @see LZ4 Block Format Description, "End of block conditions"
 */
const LAST_LITERALS = 5;
const MATCH_START_LIMIT = 12;
/** The shortest match. */
export const MIN_MATCH = 4;
/** How far back a match can lie. */
export const MAX_DISTANCE = 0xffff;

/** Four bits of a token hold lengths up to here; bytes that follow add to it. */
const TOKEN_MAX = 15;
const EXTENSION_MAX = 255;
const MATCH_OFFSET_BYTES = 2;
/** What a sequence takes beside its literals and the length of its match: token, length of literals, offset. */
const SEQUENCE_BYTES = 1 + 1 + MATCH_OFFSET_BYTES;
/** A token with as many literals as must follow the shortest match: what is kept free for the end. */
const END_BYTES = 1 + MATCH_START_LIMIT - MIN_MATCH;
const WIDE = 16;

const c = i32.const;

/** What the pieces of an encoder share. */
export interface SequenceVariables {
  /** Where the literals that no sequence holds yet begin. */
  anchor: Variable;
  /** The position in the input; where a match was found, its start. */
  at: Variable;
  /** Where the match refers to. */
  match: Variable;
  /** The match's length beyond `MIN_MATCH`. */
  length: Variable;
  /** Where output goes on, and where it must end. */
  out: Variable;
  outEnd: Variable;
  /** For use in between. */
  token: Variable;
  rest: Variable;
  room: Variable;
}

/** Variables of an encoder beside its parameters `input`, `inputEnd`, `out`, `outEnd` and what it searches with. */
export const ENCODER_LOCALS = {
  anchor: "i32",
  at: "i32",
  match: "i32",
  length: "i32",
  token: "i32",
  rest: "i32",
  room: "i32",
  start: "i32",
  lowest: "i32",
  startEnd: "i32",
  searchEnd: "i32",
  matchEnd: "i32",
  difference: "i64",
} as const;

/** All that an encoder has. */
export type EncoderVariables = Record<"input" | "inputEnd" | "out" | "outEnd" | keyof typeof ENCODER_LOCALS, Variable>;

/** Sets limits from the parameters. Leaves for `full` where the input is too short for any match. */
export function beginBlock(v: EncoderVariables, full: string): Code {
  return [
    v.lowest.set(v.input.get),
    v.anchor.set(v.input.get),
    v.start.set(v.out.get),
    v.matchEnd.set(i32.sub(v.inputEnd.get, c(LAST_LITERALS))),
    v.startEnd.set(i32.sub(v.inputEnd.get, c(MATCH_START_LIMIT))),
    leaveIf(full, i32.leU(i32.sub(v.inputEnd.get, v.input.get), c(MATCH_START_LIMIT))),
  ].flat();
}

/** Sets how far a search may go: literals that would not fit any more need none. */
export function limitSearch({ searchEnd, startEnd, anchor, out, outEnd }: EncoderVariables): Code {
  return [
    searchEnd.set(i32.add(anchor.get, i32.sub(outEnd.get, out.get))),
    searchEnd.set(i32.select(searchEnd.get, startEnd.get, i32.ltU(searchEnd.get, startEnd.get))),
  ].flat();
}

/** Ends the block and leaves the two results: how many bytes of input it holds, and its size. */
export function endBlock(v: EncoderVariables): Code {
  return [writeLastLiterals(v), i32.sub(v.anchor.get, v.input.get), i32.sub(v.out.get, v.start.get)].flat();
}

/** Sets `length` to how far the bytes at `at` and `match` agree beyond the first four, up to `matchEnd`. */
export function measureMatch(v: SequenceVariables & { matchEnd: Variable; difference: Variable }): Code {
  const { at, match, length, matchEnd, difference, rest } = v;
  return [
    rest.set(i32.add(at.get, c(MIN_MATCH))),
    length.set(i32.sub(i32.add(match.get, c(MIN_MATCH)), rest.get)),
    block(
      "differs",
      loop(
        "agrees",
        leaveIf("differs", i32.geU(rest.get, matchEnd.get)),
        difference.set(i64.xor(i64.load(rest.get), i64.load(i32.add(rest.get, length.get)))),
        when(
          i32.eqz(i64.eqz(difference.get)),
          rest.add(i32.shrU(i32.wrap(i64.ctz(difference.get)), c(3))),
          leave("differs"),
        ),
        rest.add(c(8)),
        leave("agrees"),
      ),
    ),
    when(i32.gtU(rest.get, matchEnd.get), rest.set(matchEnd.get)),
    length.set(i32.sub(i32.sub(rest.get, at.get), c(MIN_MATCH))),
  ].flat();
}

/** Moves the start of a match back over literals that agree too. */
export function extendBack({ anchor, at, match, lowest }: SequenceVariables & { lowest: Variable }): Code {
  const before = (position: Variable): Code => i32.load8(i32.sub(position.get, c(1)));
  return block(
    "start",
    loop(
      "back",
      leaveIf("start", i32.leU(at.get, anchor.get)),
      leaveIf("start", i32.leU(match.get, lowest.get)),
      leaveIf("start", i32.ne(before(at), before(match))),
      at.add(c(-1)),
      match.add(c(-1)),
      leave("back"),
    ),
  );
}

/**
 * Writes the literals since `anchor` and the match, and moves both behind it. Leaves for `full` with nothing written
 * where there is no room; the match is cut where its length takes more room than there is.
 */
export function writeSequence(v: SequenceVariables, full: string): Code {
  const { anchor, at, match, length, out, outEnd, token, rest, room } = v;
  const literalsBytes = i32.add(rest.get, i32.divU(rest.get, c(EXTENSION_MAX)));
  return [
    rest.set(i32.sub(at.get, anchor.get)),
    room.set(i32.sub(i32.sub(outEnd.get, out.get), i32.add(literalsBytes, c(SEQUENCE_BYTES + END_BYTES)))),
    leaveIf(full, i32.gtS(c(0), room.get)),
    writeLiterals(v),
    i32.store16(out.get, i32.sub(at.get, match.get)),
    out.add(c(MATCH_OFFSET_BYTES)),
    when(
      i32.geU(length.get, c(TOKEN_MAX)),
      room.set(i32.add(i32.mul(room.get, c(EXTENSION_MAX)), c(TOKEN_MAX - 1))),
      when(i32.gtU(length.get, room.get), length.set(room.get)),
    ),
    at.add(i32.add(length.get, c(MIN_MATCH))),
    anchor.set(at.get),
    when(
      i32.geU(length.get, c(TOKEN_MAX)),
      writeExtension(v, i32.sub(length.get, c(TOKEN_MAX))),
      length.set(c(TOKEN_MAX)),
    ),
    i32.store8(token.get, i32.or(i32.load8(token.get), length.get)),
  ].flat();
}

/**
 * Writes literals from `anchor` to the end of the block, `inputEnd` or as far as there is room, and moves `anchor` and
 * `out` behind them.
 */
function writeLastLiterals(v: SequenceVariables & { inputEnd: Variable }): Code {
  const { anchor, out, outEnd, rest, room, inputEnd } = v;
  // Beside the token, and a byte for every 255 from the fifteenth literal on.
  const beyondToken = i32.shrS(i32.mul(i32.sub(room.get, c(TOKEN_MAX + 1)), c(EXTENSION_MAX)), c(8));
  return [
    room.set(i32.sub(i32.sub(outEnd.get, out.get), c(1))),
    when(i32.geU(room.get, c(TOKEN_MAX)), room.set(i32.add(beyondToken, c(TOKEN_MAX)))),
    rest.set(i32.sub(inputEnd.get, anchor.get)),
    when(i32.gtU(rest.get, room.get), rest.set(room.get)),
    room.set(i32.add(anchor.get, rest.get)),
    writeLiterals(v),
    anchor.set(room.get),
  ].flat();
}

/** Writes the token and literals from `anchor`, `rest` of them, and moves `out` behind them. May write beyond. */
function writeLiterals(v: SequenceVariables): Code {
  const { anchor, out, token, rest } = v;
  return [
    token.set(out.get),
    out.add(c(1)),
    i32.store8(token.get, i32.shl(rest.get, c(4))),
    when(
      i32.geU(rest.get, c(TOKEN_MAX)),
      i32.store8(token.get, c(TOKEN_MAX << 4)),
      writeExtension(v, i32.sub(rest.get, c(TOKEN_MAX))),
    ),
    // Where they end, as seen from the output.
    rest.set(i32.add(out.get, rest.get)),
    anchor.set(i32.sub(anchor.get, out.get)),
    loop(
      "copy",
      bytes.store16Bytes(out.get, bytes.load16Bytes(i32.add(anchor.get, out.get))),
      out.add(c(WIDE)),
      leaveIf("copy", i32.ltU(out.get, rest.get)),
    ),
    out.set(rest.get),
  ].flat();
}

/** Writes what a length has beyond its token: as many bytes of 255 as go into it, and one below. */
function writeExtension({ out }: SequenceVariables, length: Code): Code {
  const count = i32.divU(length, c(EXTENSION_MAX));
  return [
    when(i32.geU(length, c(EXTENSION_MAX)), bytes.fill(out.get, c(EXTENSION_MAX), count), out.add(count)),
    i32.store8(out.get, i32.remU(length, c(EXTENSION_MAX))),
    out.add(c(1)),
  ].flat();
}
