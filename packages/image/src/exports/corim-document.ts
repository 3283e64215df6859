import { createHash } from "node:crypto";
import { compactCanonicalJson, type HashAlgorithm } from "@cvm-build/bytes";
import type { Measurements } from "../measurements.ts";
import type { ExportDetails } from "./reference-values.ts";

/** A measurement-map: an element of an environment by name, and its values. */
export interface CorimMeasurement {
  key?: string;
  digests?: readonly CorimDigest[];
  /** By PCR index, or by the name that TDX and SEV have for a register. */
  integrityRegisters?: ReadonlyMap<number | string, readonly CorimDigest[]>;
}

/** A digest and its algorithm. */
export interface CorimDigest {
  bank: HashAlgorithm;
  hex: string;
}

/** A reference-triple-record: an environment, and what a verifier has to find there. */
export interface CorimTriple {
  /** What the environment's class id is made from. */
  className: string;
  model: string;
  measurements: readonly CorimMeasurement[];
}

/** IANA "Named Information Hash Algorithm" ids; SHA-1 has none. */
const HASH_IDS: Partial<Record<HashAlgorithm, number>> = { sha256: 1, sha384: 7, sha512: 8 };
const TAG = { epochTime: 1, uri: 32, uuid: 37, unsignedCorim: 501, comid: 506 } as const;
const ROLE = { tagCreator: 0, manifestCreator: 1 } as const;
/** Namespace of the UUIDs made here: that of URLs. @see RFC 9562, 6.6 */
const UUID_NAMESPACE = "6ba7b8119dad11d180b400c04fd430c8";

/** Says whether CoRIM has a name for a hash algorithm. */
export function isCorimBank(bank: HashAlgorithm): boolean {
  return HASH_IDS[bank] !== undefined;
}

/**
 * Encodes an unsigned CoRIM of one CoMID, deterministically: the same values give the same bytes and ids.
 * @see draft-ietf-rats-corim, "CoRIM Map" and "CoMID"; RFC 8949, 4.2.1
 */
export async function encodeCorimDocument(
  image: Measurements["image"],
  triples: readonly CorimTriple[],
  { producer, validity }: Pick<ExportDetails, "producer" | "validity">,
): Promise<Buffer> {
  const { encode, rfc8949EncodeOptions, Tagged } = await import("cborg");
  const tagged = (tag: number, value: unknown) => new Tagged(tag, value);
  const vendor = producer?.name ?? "cvm-build";
  const seed = compactCanonicalJson({ image, triples: triples.map(plainTriple), producer, validity });
  const entities = (role: number) =>
    producer && [
      keyed({ 0: producer.name, 1: producer.uri === undefined ? undefined : tagged(TAG.uri, producer.uri), 2: [role] }),
    ];
  const digests = (list: readonly CorimDigest[] | undefined) =>
    list?.map(({ bank, hex }) => [HASH_IDS[bank], Buffer.from(hex, "hex")]);
  const registers = ({ integrityRegisters }: CorimMeasurement) =>
    integrityRegisters && new Map([...integrityRegisters].map(([index, list]) => [index, digests(list)]));
  const triple = ({ className, model, measurements }: CorimTriple) => [
    keyed({ 0: keyed({ 0: tagged(TAG.uuid, nameUuid(className)), 1: vendor, 2: model }) }),
    measurements.map((each) => keyed({ 0: each.key, 1: keyed({ 2: digests(each.digests), 14: registers(each) }) })),
  ];
  const comid = keyed({
    1: keyed({ 0: uuidText(nameUuid(`urn:cvm-build:comid:${seed}`)) }),
    2: entities(ROLE.tagCreator),
    4: keyed({ 0: triples.map(triple) }),
  });
  const time = (seconds: number | undefined) => (seconds === undefined ? undefined : tagged(TAG.epochTime, seconds));
  const corim = keyed({
    0: uuidText(nameUuid(`urn:cvm-build:corim:${seed}`)),
    1: [tagged(TAG.comid, encode(comid, rfc8949EncodeOptions))],
    4: validity && keyed({ 0: time(validity.notBeforeSec), 1: time(validity.notAfterSec) }),
    5: entities(ROLE.manifestCreator),
  });
  return Buffer.from(encode(tagged(TAG.unsignedCorim, corim), rfc8949EncodeOptions));
}

/** A map with integer keys, of the members that there are. */
function keyed(members: Readonly<Record<number, unknown>>): Map<number, unknown> {
  const present = Object.entries(members).filter(([, value]) => value !== undefined);
  return new Map(present.map(([key, value]) => [Number(key), value]));
}

/** @see RFC 9562, 5.5: a UUID of version 5 */
function nameUuid(name: string): Buffer {
  const hash = createHash("sha1").update(Buffer.from(UUID_NAMESPACE, "hex")).update(name);
  const uuid = hash.digest().subarray(0, 16);
  uuid.writeUInt8((uuid.readUInt8(6) & 0x0f) | 0x50, 6);
  uuid.writeUInt8((uuid.readUInt8(8) & 0x3f) | 0x80, 8);
  return uuid;
}

function uuidText(uuid: Buffer): string {
  const [, ...groups] = /^(.{8})(.{4})(.{4})(.{4})(.{12})$/.exec(uuid.toString("hex")) ?? [];
  return groups.join("-");
}

function plainTriple({ measurements, ...triple }: CorimTriple) {
  const plain = ({ integrityRegisters, ...rest }: CorimMeasurement) => ({
    ...rest,
    integrityRegisters: integrityRegisters && Object.fromEntries(integrityRegisters),
  });
  return { ...triple, measurements: measurements.map(plain) };
}
