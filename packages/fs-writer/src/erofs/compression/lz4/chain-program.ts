import { block, type Code, i32, leave, leaveIf, loop, type Variable, when } from "../wasm/code.ts";
import { encodeFunction, type WasmFunction } from "../wasm/module.ts";
import {
  beginBlock,
  ENCODER_LOCALS,
  endBlock,
  limitSearch,
  MAX_DISTANCE,
  measureMatch,
  MIN_MATCH,
  writeSequence,
} from "./sequence.ts";

const HASH_BITS = 15;
const ENTRY_BYTES = 4;
const LINK_BYTES = 2;
/** The size of a table, at address 0, of the last position of every hash of four bytes. */
export const CHAIN_TABLE_BYTES = ENTRY_BYTES << HASH_BITS;
/** The size of what is behind it: for each position within reach, how far the one before with the same hash is. */
export const CHAIN_LINKS_BYTES = LINK_BYTES * (MAX_DISTANCE + 1);

/** A match of this length is taken without looking for a longer one. */
const GOOD_LENGTH = 1024;

/** A multiplier that spreads four bytes over the high bits: the golden ratio's. */
const SPREAD = 0x9e3779b1;

const c = i32.const;

function entryOf(position: Code): Code {
  return i32.shl(i32.shrU(i32.mul(i32.load(position), c(SPREAD)), c(32 - HASH_BITS)), c(2));
}

function linkOf(position: Code): Code {
  return i32.add(i32.shl(i32.and(position, c(MAX_DISTANCE)), c(1)), c(CHAIN_TABLE_BYTES));
}

/** Puts a position into the table and links it to the one that was there, which `candidate` becomes. */
function insert(
  position: Variable,
  { entry, candidate, rest }: Record<"entry" | "candidate" | "rest", Variable>,
): Code {
  return [
    entry.set(entryOf(position.get)),
    candidate.set(i32.load(entry.get)),
    i32.store(entry.get, position.get),
    rest.set(i32.sub(position.get, candidate.get)),
    i32.store16(linkOf(position.get), i32.select(rest.get, c(MAX_DISTANCE), i32.ltU(rest.get, c(MAX_DISTANCE)))),
  ].flat();
}

interface SearchVariables {
  probe: Variable;
  candidate: Variable;
  entry: Variable;
  rest: Variable;
  lowest: Variable;
  depth: Variable;
  attempts: Variable;
  /** A match has to be longer than this. */
  needed: Variable;
  at: Variable;
  match: Variable;
  best: Variable;
  bestAt: Variable;
  bestMatch: Variable;
  length: Variable;
  /** What a match begins with, and what one that is longer has where the shorter ones end. */
  begins: Variable;
  ends: Variable;
}

/** Inserts `probe` and takes the longest match there that is longer than `needed`. */
function search(v: SearchVariables & Parameters<typeof measureMatch>[0]): Code {
  const {
    probe,
    candidate,
    lowest,
    depth,
    attempts,
    needed,
    at,
    match,
    best,
    bestAt,
    bestMatch,
    length,
    rest,
    begins,
    ends,
  } = v;
  const lastFour = (position: Variable): Code => i32.load(i32.sub(i32.add(position.get, needed.get), c(MIN_MATCH - 1)));
  return [
    insert(probe, v),
    depth.set(attempts.get),
    at.set(probe.get),
    begins.set(i32.load(at.get)),
    ends.set(lastFour(at)),
    block(
      "searched",
      loop(
        "candidates",
        leaveIf("searched", i32.gtU(lowest.get, candidate.get)),
        leaveIf("searched", i32.gtU(i32.sub(at.get, candidate.get), c(MAX_DISTANCE))),
        block(
          "shorter",
          leaveIf("shorter", i32.ne(lastFour(candidate), ends.get)),
          leaveIf("shorter", i32.ne(i32.load(candidate.get), begins.get)),
          match.set(candidate.get),
          measureMatch(v),
          length.add(c(MIN_MATCH)),
          leaveIf("shorter", i32.leU(length.get, needed.get)),
          needed.set(length.get),
          ends.set(lastFour(at)),
          best.set(length.get),
          bestAt.set(at.get),
          bestMatch.set(candidate.get),
          leaveIf("searched", i32.geU(length.get, c(GOOD_LENGTH))),
        ),
        depth.add(c(-1)),
        leaveIf("searched", i32.eqz(depth.get)),
        rest.set(i32.load16(linkOf(candidate.get))),
        candidate.set(i32.sub(candidate.get, rest.get)),
        leave("candidates"),
      ),
    ),
  ].flat();
}

/**
 * `chain(input, inputEnd, out, outEnd, attempts, lookahead)`: as `fast`, but compares every position with up to
 * `attempts` earlier ones that have the same hash, and prefers a longer match that begins up to `lookahead` later. The
 * table is to be zeros.
 */
export function chainFunction(): WasmFunction {
  return encodeFunction({
    name: "chain",
    parameters: ["input", "inputEnd", "out", "outEnd", "attempts", "lookahead"],
    resultCount: 2,
    locals: {
      ...ENCODER_LOCALS,
      ...{ probe: "i32", candidate: "i32", entry: "i32", depth: "i32", begins: "i32", ends: "i32" },
      ...{ needed: "i32", best: "i32", bestAt: "i32", bestMatch: "i32" },
    },
    body: (v) =>
      [
        v.probe.set(v.input.get),
        block(
          "full",
          beginBlock(v, "full"),
          loop(
            "sequence",
            v.best.set(c(0)),
            v.needed.set(c(MIN_MATCH - 1)),
            limitSearch(v),
            block(
              "found",
              loop(
                "probes",
                when(i32.gtU(v.probe.get, v.searchEnd.get), leaveIf("full", i32.eqz(v.best.get)), leave("found")),
                search(v),
                v.probe.add(c(1)),
                leaveIf("probes", i32.eqz(v.best.get)),
                leaveIf("found", i32.geU(v.best.get, c(GOOD_LENGTH))),
                // One more byte of literals for every position that is passed over.
                v.needed.set(i32.sub(i32.add(v.best.get, i32.sub(v.probe.get, v.bestAt.get)), c(1))),
                leaveIf("probes", i32.leU(i32.sub(v.probe.get, v.bestAt.get), v.lookahead.get)),
              ),
            ),
            v.at.set(v.bestAt.get),
            v.match.set(v.bestMatch.get),
            v.length.set(i32.sub(v.best.get, c(MIN_MATCH))),
            writeSequence(v, "full"),
            leaveIf("full", i32.gtU(v.at.get, v.startEnd.get)),
            block(
              "inserted",
              loop(
                "insert",
                leaveIf("inserted", i32.geU(v.probe.get, v.at.get)),
                insert(v.probe, v),
                v.probe.add(c(1)),
                leave("insert"),
              ),
            ),
            leave("sequence"),
          ),
        ),
        endBlock(v),
      ].flat(),
  });
}
