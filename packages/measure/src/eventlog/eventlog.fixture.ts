import type { HashAlgorithm } from "@cvm-build/bytes";
import {
  CRYPTO_AGILE_SIGNATURE,
  HASH_ALGORITHM_IDS,
  PcrEvent2Header,
  PcrEventHeader,
  SpecIdAlgorithm,
  SpecIdEvent,
} from "./format.ts";

/** An event to be put into a log. */
export interface MadeEvent {
  register: number;
  eventType: number;
  data: Buffer;
  digests: Partial<Record<HashAlgorithm, string>>;
  /** Digests of algorithms that we do not know, of zeros. */
  unknown?: readonly MadeAlgorithm[];
}

/** An algorithm as a log declares it. */
export interface MadeAlgorithm {
  id: number;
  sizeBytes: number;
}

const u16 = (value: number) => Buffer.from([value & 0xff, value >> 8]);
const u32 = (value: number) => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
};

/** Makes a crypto-agile log that declares SHA-1, SHA-256 and what is given. */
export function makeLog(
  events: readonly MadeEvent[],
  moreAlgorithms: readonly MadeAlgorithm[] = [],
  algorithmCount?: number,
): Buffer {
  const algorithms = [{ id: 4, sizeBytes: 20 }, { id: 11, sizeBytes: 32 }, ...moreAlgorithms];
  const specId = Buffer.concat([
    SpecIdEvent.encode({
      signature: CRYPTO_AGILE_SIGNATURE,
      platformClass: 0,
      specVersionMinor: 0,
      specVersionMajor: 2,
      specErrata: 0,
      uintnSize: 2,
      algorithmCount: algorithmCount ?? algorithms.length,
    }),
    ...algorithms.map(({ id, sizeBytes }) => SpecIdAlgorithm.encode({ algorithmId: id, digestSizeBytes: sizeBytes })),
    Buffer.alloc(1),
  ]);
  return Buffer.concat([
    makeSha1Log([{ register: 0, eventType: 3, digest: "00".repeat(20), data: specId }]),
    ...events.map(encodeEvent),
  ]);
}

/** Makes a log of SHA-1 events. */
export function makeSha1Log(
  events: readonly { register: number; eventType: number; digest: string; data: Buffer }[],
): Buffer {
  return Buffer.concat(
    events.flatMap(({ register, eventType, digest, data }) => [
      PcrEventHeader.encode({
        register,
        eventType,
        digest: Buffer.from(digest, "hex"),
        eventSizeBytes: data.length,
      }),
      data,
    ]),
  );
}

function encodeEvent({ register, eventType, data, digests, unknown = [] }: MadeEvent): Buffer {
  const known = Object.entries(digests).map(([name, hex]) =>
    Buffer.concat([u16(HASH_ALGORITHM_IDS[name as HashAlgorithm]), Buffer.from(hex, "hex")]),
  );
  const others = unknown.map(({ id, sizeBytes }) => Buffer.concat([u16(id), Buffer.alloc(sizeBytes)]));
  return Buffer.concat([
    PcrEvent2Header.encode({ register, eventType, digestCount: known.length + others.length }),
    ...known,
    ...others,
    u32(data.length),
    data,
  ]);
}
