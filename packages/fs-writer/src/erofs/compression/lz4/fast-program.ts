import { block, type Code, i32, i64, leave, leaveIf, loop, type Variable } from "../wasm/code.ts";
import { encodeFunction, type WasmFunction } from "../wasm/module.ts";
import {
  beginBlock,
  ENCODER_LOCALS,
  endBlock,
  extendBack,
  limitSearch,
  MAX_DISTANCE,
  measureMatch,
  writeSequence,
} from "./sequence.ts";

const HASH_BITS = 13;
const ENTRY_BYTES = 2;
/** The size of a table of the low bits of positions, which tell all within reach apart, by hash of five bytes. */
export const FAST_TABLE_BYTES = ENTRY_BYTES << HASH_BITS;

/** After this power of two of misses, every step grows by one: what does not shrink is soon behind. */
const SKIP_BITS = 6;

const c = i32.const;

/** A multiplier that spreads five bytes over the high bits: the golden ratio's. */
const SPREAD = 0x9e3779b97f4a7c15n;
const BITS_OF_THREE_BYTES = 24n;

/** The address of the table's entry for the bytes at a position. The table lies at address 0. */
function entryOf(position: Code): Code {
  const five = i64.shl(i64.load(position), i64.const(BITS_OF_THREE_BYTES));
  const hash = i64.shrU(i64.mul(five, i64.const(SPREAD)), i64.const(BigInt(64 - HASH_BITS)));
  return i32.shl(i32.wrap(hash), c(1));
}

/** Takes the table's candidate for the bytes at `at` and puts `at` in its place. */
function exchange({ at, match, entry }: Record<"at" | "match" | "entry", Variable>): Code {
  const distance = i32.and(i32.sub(at.get, i32.load16(entry.get)), c(MAX_DISTANCE));
  return [entry.set(entryOf(at.get)), match.set(i32.sub(at.get, distance)), i32.store16(entry.get, at.get)].flat();
}

/** Leaves for `miss` where the candidate is not between `lowest` and `at`, or begins with other bytes. */
function expectMatch({ at, match, lowest }: Record<"at" | "match" | "lowest", Variable>, miss: string): Code {
  return [
    leaveIf(miss, i32.geU(i32.sub(match.get, lowest.get), i32.sub(at.get, lowest.get))),
    leaveIf(miss, i32.ne(i32.load(match.get), i32.load(at.get))),
  ].flat();
}

/**
 * `fast(input, inputEnd, out, outEnd)`: compresses as much of the input as gives a block of at most `outEnd - out` bytes,
 * with the first match that a table of recent positions has. Returns how many bytes of input the block holds, and its
 * size. Every entry of the table is to be `input`'s, so that what is found does not depend on where the input lies.
 */
export function fastFunction(): WasmFunction {
  return encodeFunction({
    name: "fast",
    parameters: ["input", "inputEnd", "out", "outEnd"],
    resultCount: 2,
    locals: { ...ENCODER_LOCALS, next: "i32", step: "i32", misses: "i32", entry: "i32" },
    body: (v) =>
      [
        v.next.set(i32.add(v.input.get, c(1))),
        block(
          "full",
          beginBlock(v, "full"),
          i32.store16(entryOf(v.input.get), v.input.get),
          loop(
            "sequence",
            v.step.set(c(1)),
            v.misses.set(c(1 << SKIP_BITS)),
            limitSearch(v),
            loop(
              "search",
              v.at.set(v.next.get),
              v.next.add(v.step.get),
              v.step.set(i32.shrU(v.misses.get, c(SKIP_BITS))),
              v.misses.add(c(1)),
              leaveIf("full", i32.gtU(v.at.get, v.searchEnd.get)),
              exchange(v),
              expectMatch(v, "search"),
            ),
            extendBack(v),
            loop(
              "adjacent",
              measureMatch(v),
              writeSequence(v, "full"),
              leaveIf("full", i32.gtU(v.at.get, v.startEnd.get)),
              v.next.set(i32.sub(v.at.get, c(2))),
              i32.store16(entryOf(v.next.get), v.next.get),
              v.next.set(i32.add(v.at.get, c(1))),
              exchange(v),
              expectMatch(v, "sequence"),
              leave("adjacent"),
            ),
          ),
        ),
        endBlock(v),
      ].flat(),
  });
}
