import { assert, type HashAlgorithm } from "@cvm-build/bytes";
import { type EventContent, type EventSource, type MeasuredEvent, pcrName } from "./event.ts";
import { type DigestPart, type DigestStream, partBytes, type StreamDigests } from "./digest-stream.ts";

/** Bytes of an event that are shown, at most: variables, command lines, constants. */
const SHOWN_BYTES = 4096;

/** A digest to come: the one taken at a mark of a stream. */
export interface DigestReference {
  stream: number;
  mark: number;
}

/** An event whose digests are not computed yet. */
interface DraftEvent {
  pcr: number;
  type: string | undefined;
  label: string;
  source: EventSource;
  digest: DigestReference;
}

/**
 * Gathers events and the bytes they measure, so that every byte of the image is read and hashed once for all of them.
 */
export class Draft {
  readonly streams: DigestStream[] = [];
  readonly #events: DraftEvent[] = [];

  /**
   * Has bytes hashed that stand for one digest.
   * @param options.recurs whether other images hold the same bytes: a kernel, an initrd
   */
  hash(parts: readonly DigestPart[], options: Pick<DigestStream, "recurs"> = {}): DigestReference {
    this.streams.push({ parts: [...parts], marks: [parts.length], ...options });
    return { stream: this.streams.length - 1, mark: 0 };
  }

  /**
   * Has bytes hashed that follow those of `reference`, which are not hashed again.
   * @param reference a stream's last digest
   */
  continue(reference: DigestReference, parts: readonly DigestPart[]): DigestReference {
    if (parts.length === 0) return reference;
    const stream = this.streams[reference.stream];
    assert(stream && stream.marks.length - 1 === reference.mark, "only a stream's end can be continued");
    stream.parts.push(...parts);
    stream.marks.push(stream.parts.length);
    return { stream: reference.stream, mark: reference.mark + 1 };
  }

  /** Adds an event after those there are. */
  add(event: Omit<DraftEvent, "digest"> & { digest: DigestReference | Uint8Array }): void {
    const digest = event.digest instanceof Uint8Array ? this.hash([{ bytes: event.digest }]) : event.digest;
    this.#events.push({ ...event, digest });
  }

  /** The events with their digests. */
  finish(digests: Partial<Record<HashAlgorithm, readonly StreamDigests[]>>): MeasuredEvent[] {
    return this.#events.map(({ digest, pcr, ...event }) => ({
      ...event,
      register: pcrName(pcr),
      digests: Object.fromEntries(
        Object.entries(digests).map(([bank, streams]) => [bank, streams[digest.stream]?.[digest.mark]]),
      ) as MeasuredEvent["digests"],
      content: this.#contentOf(digest),
    }));
  }

  #contentOf({ stream, mark }: DigestReference): EventContent {
    const { parts = [], marks = [] } = this.streams[stream] ?? {};
    const measured = parts.slice(0, marks[mark]);
    const sizeBytes = measured.reduce((sum, part) => sum + partBytes(part), 0);
    const literal = measured.flatMap((part) => ("bytes" in part ? [part.bytes] : []));
    const isShown = literal.length === measured.length && sizeBytes <= SHOWN_BYTES;
    return { sizeBytes, ...(isShown && { hex: Buffer.concat(literal).toString("hex") }) };
  }
}
