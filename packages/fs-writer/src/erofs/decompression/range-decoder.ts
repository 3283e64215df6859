import { FormatError } from "@cvm-build/bytes";

const TOP = 2 ** 24;
const PROBABILITY_BITS = 11;
const ADAPTATION_SHIFT = 5;
/** The probability of a bit that nothing is known of. */
const EVEN = 1 << (PROBABILITY_BITS - 1);

/** Adaptive probabilities as LZMA starts with them. */
export function evenProbabilities(count: number): Uint16Array {
  return new Uint16Array(count).fill(EVEN);
}

/**
 * LZMA's range decoder.
 * @see LZMA SDK, `lzma-specification.txt`, "Range Decoder"
 */
export class RangeDecoder {
  readonly #input: Buffer;
  #at: number;
  #range = 0xffffffff;
  #code: number;

  /** @throws FormatError where fewer than 4 bytes are left at `offsetBytes` */
  constructor(input: Buffer, offsetBytes: number) {
    if (input.length < offsetBytes + 4) throw ended(offsetBytes);
    this.#input = input;
    this.#code = input.readUInt32BE(offsetBytes);
    this.#at = offsetBytes + 4;
  }

  /** Says whether all of the input is used and nothing is left in the code. */
  get isFinished(): boolean {
    return this.#at === this.#input.length && this.#code === 0;
  }

  /** @throws FormatError where the input ends early, as all methods do */
  bit(probabilities: Uint16Array, index: number): 0 | 1 {
    const probability = probabilities[index] as number;
    const bound = (this.#range >>> PROBABILITY_BITS) * probability;
    let bit: 0 | 1 = 0;
    if (this.#code < bound) {
      this.#range = bound;
      probabilities[index] = probability + (((1 << PROBABILITY_BITS) - probability) >> ADAPTATION_SHIFT);
    } else {
      this.#range -= bound;
      this.#code -= bound;
      probabilities[index] = probability - (probability >> ADAPTATION_SHIFT);
      bit = 1;
    }
    if (this.#range < TOP) this.#shift();
    return bit;
  }

  /** `count` bits whose both values are as likely. */
  directBits(count: number): number {
    let value = 0;
    for (let at = 0; at < count; at++) {
      this.#range >>>= 1;
      const bit = this.#code >= this.#range ? 1 : 0;
      if (bit === 1) this.#code -= this.#range;
      value = value * 2 + bit;
      if (this.#range < TOP) this.#shift();
    }
    return value;
  }

  /** A number of `bits` bits, the highest first. */
  bitTree(probabilities: Uint16Array, { base, bits }: { base: number; bits: number }): number {
    let node = 1;
    for (let at = 0; at < bits; at++) node = (node << 1) | this.bit(probabilities, base + node);
    return node - (1 << bits);
  }

  /** A number of `bits` bits, the lowest first. */
  reverseBitTree(probabilities: Uint16Array, { base, bits }: { base: number; bits: number }): number {
    let node = 1;
    let value = 0;
    for (let at = 0; at < bits; at++) {
      const bit = this.bit(probabilities, base + node);
      node = (node << 1) | bit;
      value |= bit << at;
    }
    return value;
  }

  #shift(): void {
    if (this.#at >= this.#input.length) throw ended(this.#at);
    this.#range = (this.#range << 8) >>> 0;
    this.#code = ((this.#code << 8) | (this.#input[this.#at++] as number)) >>> 0;
  }
}

function ended(offsetBytes: number): FormatError {
  return new FormatError({ record: "LZMA", offsetBytes }, "expected more bytes");
}
