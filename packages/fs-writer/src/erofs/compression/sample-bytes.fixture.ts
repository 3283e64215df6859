const WORDS =
  "the cluster that a block of some file fills is decompressed by itself and read again when pages go".split(" ");

/** Numbers that look random and are the same each time. */
function* numbers(seed: number): Generator<number, never> {
  for (let state = seed; ;) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    yield state >>> 8;
  }
}

/** Bytes of one kind: what shrinks a little, much, to almost nothing, or not at all, or all of these in turn. */
export function sampleBytes(kind: "words" | "records" | "zeros" | "noise" | "mixed", sizeBytes: number): Buffer {
  const random = numbers(sizeBytes + kind.length);
  const next = (): number => random.next().value;
  if (kind === "zeros") return Buffer.alloc(sizeBytes);
  if (kind === "noise") return Buffer.from(Uint8Array.from({ length: sizeBytes }, () => next() >>> 3));
  const parts: Buffer[] = [];
  for (let filled = 0; filled < sizeBytes; filled += parts.at(-1)?.length ?? 0) {
    parts.push(kind === "mixed" ? mixedPart(next()) : kind === "words" ? words(next) : recordOf(next));
  }
  return Buffer.concat(parts).subarray(0, sizeBytes);
}

function words(next: () => number): Buffer {
  return Buffer.from(Array.from({ length: 50 }, () => WORDS[next() % WORDS.length]).join(" "));
}

function recordOf(next: () => number): Buffer {
  const record = Buffer.alloc(32, 0x11);
  record.writeUInt32LE(next(), 4);
  return record;
}

function mixedPart(number: number): Buffer {
  const kind = (["words", "records", "zeros", "noise"] as const)[number & 3] ?? "words";
  return sampleBytes(kind, 1 + ((number >>> 2) % 40_000));
}
