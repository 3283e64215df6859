import { FormatError } from "@cvm-build/bytes";
import type { ClusterDecoding } from "./lz4.ts";
import { evenProbabilities, RangeDecoder } from "./range-decoder.ts";

const STATES = 12;
/** States below this follow a literal. */
const LITERAL_STATES = 7;
const POSITION_STATES = 16;
const MIN_MATCH_BYTES = 2;
/** Matches up to this length have distance slots of their own. */
const LENGTH_TO_DISTANCE_STATES = 4;
const SLOT_BITS = 6;
/** From this slot on, a distance has bits that are not modelled. */
const FIRST_DIRECT_SLOT = 14;
const ALIGN_BITS = 4;
const LITERAL_PROBABILITIES = 0x300;
/** What liblzma reads: more context would make tables large. */
const MAX_LITERAL_CONTEXT_BITS = 4;

/**
 * Decodes MicroLZMA: an LZMA stream whose first byte, which would be zero, holds the inverted properties instead, without
 * a header and without a marker at its end.
 * @throws FormatError where it is damaged, or does not hold exactly what is wanted
 * @see LZMA SDK, `lzma-specification.txt`; liblzma, `lzma/container.h`, lzma_microlzma_decoder
 */
export function decodeMicroLzma(input: Buffer, { sizeBytes, isPartial }: ClusterDecoding): Buffer {
  const output = Buffer.allocUnsafe(sizeBytes);
  const decoder = new LzmaDecoder(input, output);
  while (decoder.sizeBytes < sizeBytes) decoder.step({ isPartial });
  if (!isPartial && !decoder.isFinished) throw damaged("expected the input to end with the output");
  return output;
}

/** Decoder state. Bytes that were decoded are the dictionary. */
class LzmaDecoder {
  readonly #output: Buffer;
  readonly #range: RangeDecoder;
  readonly #literalContextBits: number;
  readonly #literalPositionMask: number;
  readonly #positionMask: number;
  readonly #literals: Uint16Array;
  readonly #isMatch = evenProbabilities(STATES * POSITION_STATES);
  readonly #isRepeat = evenProbabilities(STATES);
  readonly #isOtherRepeat = [evenProbabilities(STATES), evenProbabilities(STATES), evenProbabilities(STATES)] as const;
  readonly #isLongRepeat = evenProbabilities(STATES * POSITION_STATES);
  readonly #slots = evenProbabilities(LENGTH_TO_DISTANCE_STATES << SLOT_BITS);
  readonly #distances = evenProbabilities(128);
  readonly #align = evenProbabilities(1 << ALIGN_BITS);
  readonly #matchLengths = new LengthDecoder();
  readonly #repeatLengths = new LengthDecoder();
  #state = 0;
  /** The last four distances, less one. */
  #repeats: [number, number, number, number] = [0, 0, 0, 0];
  #at = 0;

  constructor(input: Buffer, output: Buffer) {
    const properties = 0xff - (input[0] ?? 0);
    const literalContextBits = properties % 9;
    const literalPositionBits = Math.floor(properties / 9) % 5;
    const positionBits = Math.floor(properties / 45);
    const contextBits = literalContextBits + literalPositionBits;
    if (positionBits > 4 || contextBits > MAX_LITERAL_CONTEXT_BITS) throw damaged("expected properties that exist");
    this.#range = new RangeDecoder(input, 1);
    this.#output = output;
    this.#literalContextBits = literalContextBits;
    this.#literalPositionMask = (1 << literalPositionBits) - 1;
    this.#positionMask = (1 << positionBits) - 1;
    this.#literals = evenProbabilities(LITERAL_PROBABILITIES << contextBits);
  }

  get sizeBytes(): number {
    return this.#at;
  }

  get isFinished(): boolean {
    return this.#range.isFinished;
  }

  /** Decodes a literal or a match. */
  step({ isPartial }: { isPartial: boolean }): void {
    const state = this.#state;
    const position = this.#at & this.#positionMask;
    if (this.#range.bit(this.#isMatch, state * POSITION_STATES + position) === 0) {
      this.#literal();
      return;
    }
    const isRepeat = this.#range.bit(this.#isRepeat, state) === 1;
    const sizeBytes = isRepeat ? this.#repeat(position) : this.#newMatch(position);
    this.#copyMatch(sizeBytes, { isPartial });
  }

  #literal(): void {
    const previous = this.#at > 0 ? (this.#output[this.#at - 1] as number) : 0;
    const context =
      ((this.#at & this.#literalPositionMask) << this.#literalContextBits) |
      (previous >> (8 - this.#literalContextBits));
    const base = context * LITERAL_PROBABILITIES;
    let symbol = 1;
    if (this.#state >= LITERAL_STATES) {
      let match = this.#output[this.#at - this.#repeats[0] - 1] as number;
      // As long as the bits are those of the byte that the last match would bring, they are modelled apart.
      while (symbol < 0x100) {
        const matchBit = (match >> 7) & 1;
        match <<= 1;
        const bit = this.#range.bit(this.#literals, base + ((1 + matchBit) << 8) + symbol);
        symbol = (symbol << 1) | bit;
        if (bit !== matchBit) break;
      }
    }
    while (symbol < 0x100) symbol = (symbol << 1) | this.#range.bit(this.#literals, base + symbol);
    this.#output[this.#at++] = symbol & 0xff;
    if (this.#state < 4) this.#state = 0;
    else this.#state -= this.#state < 10 ? 3 : 6;
  }

  #repeat(position: number): number {
    const state = this.#state;
    const [first, second, third, fourth] = this.#repeats;
    if (this.#range.bit(this.#isOtherRepeat[0], state) === 0) {
      if (this.#range.bit(this.#isLongRepeat, state * POSITION_STATES + position) === 0) {
        this.#state = state < LITERAL_STATES ? 9 : 11;
        return 1;
      }
    } else if (this.#range.bit(this.#isOtherRepeat[1], state) === 0) {
      this.#repeats = [second, first, third, fourth];
    } else if (this.#range.bit(this.#isOtherRepeat[2], state) === 0) {
      this.#repeats = [third, first, second, fourth];
    } else {
      this.#repeats = [fourth, first, second, third];
    }
    this.#state = state < LITERAL_STATES ? 8 : 11;
    return this.#repeatLengths.decode(this.#range, position);
  }

  #newMatch(position: number): number {
    const sizeBytes = this.#matchLengths.decode(this.#range, position);
    const [first, second, third] = this.#repeats;
    this.#repeats = [this.#distance(sizeBytes), first, second, third];
    this.#state = this.#state < LITERAL_STATES ? 7 : 10;
    return sizeBytes;
  }

  #distance(sizeBytes: number): number {
    const lengthState = Math.min(sizeBytes - MIN_MATCH_BYTES, LENGTH_TO_DISTANCE_STATES - 1);
    const slot = this.#range.bitTree(this.#slots, { base: lengthState << SLOT_BITS, bits: SLOT_BITS });
    if (slot < 4) return slot;
    const bits = (slot >> 1) - 1;
    const high = (2 | (slot & 1)) * 2 ** bits;
    if (slot < FIRST_DIRECT_SLOT) {
      return high + this.#range.reverseBitTree(this.#distances, { base: high - slot, bits });
    }
    const direct = this.#range.directBits(bits - ALIGN_BITS) * (1 << ALIGN_BITS);
    return high + direct + this.#range.reverseBitTree(this.#align, { base: 0, bits: ALIGN_BITS });
  }

  #copyMatch(sizeBytes: number, { isPartial }: { isPartial: boolean }): void {
    const output = this.#output;
    const distance = this.#repeats[0] + 1;
    if (distance > this.#at) throw damaged("expected a distance within what is decoded");
    const left = output.length - this.#at;
    if (sizeBytes > left && !isPartial) throw damaged(`expected at most ${output.length} bytes`);
    const end = this.#at + Math.min(sizeBytes, left);
    for (let at = this.#at; at < end; at++) output[at] = output[at - distance] as number;
    this.#at = end;
  }
}

/** Decodes lengths of matches: in three ranges, the shorter ones by position. */
class LengthDecoder {
  readonly #choice = evenProbabilities(2);
  readonly #low = evenProbabilities(POSITION_STATES << 3);
  readonly #middle = evenProbabilities(POSITION_STATES << 3);
  readonly #high = evenProbabilities(1 << 8);

  decode(range: RangeDecoder, position: number): number {
    const base = position << 3;
    if (range.bit(this.#choice, 0) === 0) return MIN_MATCH_BYTES + range.bitTree(this.#low, { base, bits: 3 });
    if (range.bit(this.#choice, 1) === 0) return MIN_MATCH_BYTES + 8 + range.bitTree(this.#middle, { base, bits: 3 });
    return MIN_MATCH_BYTES + 16 + range.bitTree(this.#high, { base: 0, bits: 8 });
  }
}

function damaged(expectation: string): FormatError {
  return new FormatError({ record: "LZMA" }, expectation);
}
