import { inflateRawSync } from "node:zlib";
import { type ByteSource, FormatError } from "@cvm-build/bytes";
import {
  CLUSTER_BITS_RANGE,
  COMPRESSED_BIT,
  COMPRESSED_SECTOR_BYTES,
  DIRTY_BIT,
  INCOMPATIBLE_FEATURES,
  MAX_L1_BYTES,
  OFFSET_MASK,
  QCOW2_MAGIC,
  Qcow2Header,
  Qcow2HeaderV3,
  TABLE_ENTRY_BYTES,
  ZERO_BIT,
} from "./format.ts";

/** Second-level tables that are kept: at most 16 MiB of the largest. */
const KEPT_TABLES = 8;

/** Says whether a source begins as qcow2 does. */
export function isQcow2(source: ByteSource): boolean {
  return source.sizeBytes >= 4 && source.read(0, 4).readUInt32BE() === QCOW2_MAGIC;
}

/**
 * A qcow2 image's disk: versions 2 and 3, clusters as they are or compressed with zlib.
 * @throws FormatError, on reading too; where the disk needs another file, a key or a feature that is not known
 * @see QEMU docs/interop/qcow2.txt
 */
export function openQcow2(source: ByteSource): ByteSource {
  return new Qcow2Disk(source);
}

/** Where a cluster's bytes are. */
type Place =
  | { kind: "zeros" }
  | { kind: "plain"; offsetBytes: number }
  | { kind: "compressed"; offsetBytes: number; lengthBytes: number };

class Qcow2Disk implements ByteSource {
  readonly sizeBytes: number;
  readonly #source: ByteSource;
  readonly #clusterBits: number;
  readonly #clusterBytes: number;
  readonly #l1: Buffer;
  readonly #l2 = new Map<number, Buffer>();
  #inflated: { offsetBytes: number; bytes: Buffer } | undefined;

  constructor(source: ByteSource) {
    const header = readQcow2Header(source);
    this.#source = source;
    this.sizeBytes = Number(header.sizeBytes);
    this.#clusterBits = header.clusterBits;
    this.#clusterBytes = 2 ** header.clusterBits;
    this.#l1 = readL1(source, header);
  }

  read(offsetBytes: number, lengthBytes: number): Buffer {
    this.#checkRange(offsetBytes, lengthBytes);
    const bytes = Buffer.allocUnsafe(lengthBytes);
    this.readInto(bytes, offsetBytes);
    return bytes;
  }

  readInto(target: Buffer, offsetBytes: number): void {
    this.#checkRange(offsetBytes, target.length);
    for (let done = 0; done < target.length;) {
      const inCluster = (offsetBytes + done) % this.#clusterBytes;
      const part = target.subarray(done, done + this.#clusterBytes - inCluster);
      this.#readPart(part, { cluster: (offsetBytes + done - inCluster) / this.#clusterBytes, inCluster });
      done += part.length;
    }
  }

  #checkRange(offsetBytes: number, lengthBytes: number): void {
    const fits = Number.isSafeInteger(offsetBytes) && Number.isSafeInteger(lengthBytes);
    if (fits && offsetBytes >= 0 && lengthBytes >= 0 && offsetBytes + lengthBytes <= this.sizeBytes) return;
    const got = `expected ${lengthBytes} bytes, but the disk has ${this.sizeBytes}`;
    throw new FormatError({ record: "qcow2 disk", offsetBytes }, got);
  }

  #readPart(target: Buffer, { cluster, inCluster }: { cluster: number; inCluster: number }): void {
    const place = this.#placeOf(cluster);
    if (place.kind === "zeros") target.fill(0);
    else if (place.kind === "compressed") this.#inflate(place).copy(target, 0, inCluster);
    else {
      // An image may end with its last cluster's last bytes that are not zero.
      const start = place.offsetBytes + inCluster;
      const lengthBytes = Math.max(0, Math.min(target.length, this.#source.sizeBytes - start));
      if (lengthBytes > 0) this.#source.read(start, lengthBytes).copy(target);
      target.fill(0, lengthBytes);
    }
  }

  #placeOf(cluster: number): Place {
    const perTable = this.#clusterBytes / TABLE_ENTRY_BYTES;
    const l1Offset = Math.floor(cluster / perTable) * TABLE_ENTRY_BYTES;
    const table = Number(this.#l1.readBigUInt64BE(l1Offset) & OFFSET_MASK);
    if (table === 0) return { kind: "zeros" };
    const entry = this.#tableAt(table).readBigUInt64BE((cluster % perTable) * TABLE_ENTRY_BYTES);
    if ((entry & COMPRESSED_BIT) !== 0n) return this.#compressedPlace(entry);
    const offsetBytes = Number(entry & OFFSET_MASK);
    if ((entry & ZERO_BIT) !== 0n || offsetBytes === 0) return { kind: "zeros" };
    this.#checkCluster("L2 entry", offsetBytes);
    return { kind: "plain", offsetBytes };
  }

  /** Of entries, some bits are the offset and the others the number of further sectors. */
  #compressedPlace(entry: bigint): Place {
    const offsetBits = BigInt(62 - (this.#clusterBits - 8));
    const offsetBytes = Number(entry & ((1n << offsetBits) - 1n));
    const sectors = Number((entry & (COMPRESSED_BIT - 1n)) >> offsetBits) + 1;
    const lengthBytes = sectors * COMPRESSED_SECTOR_BYTES - (offsetBytes % COMPRESSED_SECTOR_BYTES);
    if (offsetBytes >= this.#source.sizeBytes) throw this.#outside("compressed cluster", offsetBytes);
    return {
      kind: "compressed",
      offsetBytes,
      lengthBytes: Math.min(lengthBytes, this.#source.sizeBytes - offsetBytes),
    };
  }

  #tableAt(offsetBytes: number): Buffer {
    const kept = this.#l2.get(offsetBytes);
    if (kept) return kept;
    this.#checkCluster("L1 entry", offsetBytes);
    if (offsetBytes + this.#clusterBytes > this.#source.sizeBytes) throw this.#outside("L2 table", offsetBytes);
    const table = this.#source.read(offsetBytes, this.#clusterBytes);
    const [oldest] = this.#l2.keys();
    if (this.#l2.size >= KEPT_TABLES && oldest !== undefined) this.#l2.delete(oldest);
    this.#l2.set(offsetBytes, table);
    return table;
  }

  #inflate({ offsetBytes, lengthBytes }: { offsetBytes: number; lengthBytes: number }): Buffer {
    if (this.#inflated?.offsetBytes === offsetBytes) return this.#inflated.bytes;
    const bytes = inflateCluster(this.#source.read(offsetBytes, lengthBytes), {
      offsetBytes,
      clusterBytes: this.#clusterBytes,
    });
    this.#inflated = { offsetBytes, bytes };
    return bytes;
  }

  #checkCluster(record: string, offsetBytes: number): void {
    if (offsetBytes % this.#clusterBytes !== 0) {
      const got = `expected the offset of a cluster, got ${offsetBytes}`;
      throw new FormatError({ record: `qcow2 ${record}` }, got);
    }
    if (offsetBytes >= this.#source.sizeBytes) throw this.#outside(record, offsetBytes);
  }

  #outside(record: string, offsetBytes: number): FormatError {
    const expectation = `expected an offset within ${this.#source.sizeBytes} bytes, got ${offsetBytes}`;
    return new FormatError({ record: `qcow2 ${record}` }, expectation);
  }
}

function inflateCluster(bytes: Buffer, place: { offsetBytes: number; clusterBytes: number }): Buffer {
  const { offsetBytes, clusterBytes } = place;
  const refuse = (cause?: unknown) =>
    new FormatError({ record: "qcow2 compressed cluster", offsetBytes }, `expected ${clusterBytes} bytes of deflate`, {
      cause,
    });
  let cluster: Buffer;
  try {
    cluster = inflateRawSync(bytes, { maxOutputLength: clusterBytes });
  } catch (cause) {
    throw refuse(cause);
  }
  if (cluster.length !== clusterBytes) throw refuse();
  return cluster;
}

/**
 * Reads the header of an image whose disk can be read here.
 * @throws FormatError
 */
export function readQcow2Header(source: ByteSource): Qcow2Header {
  const header = Qcow2Header.decode(source.read(0, Math.min(source.sizeBytes, Qcow2Header.sizeBytes)));
  const refuse = (field: string, expectation: string) =>
    new FormatError({ record: "Qcow2Header", field }, `expected ${expectation}`, {
      hint: "convert the image: `qemu-img convert -O raw`",
    });
  const { version, clusterBits } = header;
  if (header.magic !== QCOW2_MAGIC) throw refuse("magic", '"QFI" and 0xfb');
  if (version !== 2 && version !== 3) throw refuse("version", `2 or 3, got ${version}`);
  if (header.backingFileOffset !== 0n) throw refuse("backingFileOffset", "an image without a backing file");
  if (header.cryptMethod !== 0) throw refuse("cryptMethod", "an image that is not encrypted");
  if (clusterBits < CLUSTER_BITS_RANGE.min || clusterBits > CLUSTER_BITS_RANGE.max) {
    throw refuse("clusterBits", `${CLUSTER_BITS_RANGE.min}..${CLUSTER_BITS_RANGE.max}, got ${clusterBits}`);
  }
  if (header.sizeBytes > BigInt(Number.MAX_SAFE_INTEGER)) throw refuse("sizeBytes", "at most 2^53");
  if (version === 3) {
    const end = Math.min(source.sizeBytes - Qcow2Header.sizeBytes, Qcow2HeaderV3.sizeBytes);
    const { incompatibleFeatures } = Qcow2HeaderV3.decode(source.read(Qcow2Header.sizeBytes, end));
    const unknown = incompatibleFeatures & ~DIRTY_BIT;
    if (unknown !== 0n) throw refuse("incompatibleFeatures", `none, got ${describeFeatures(unknown)}`);
  }
  return header;
}

function describeFeatures(bits: bigint): string {
  const names = INCOMPATIBLE_FEATURES.filter((_, bit) => ((bits >> BigInt(bit)) & 1n) === 1n);
  return names.length > 0 ? names.join(", ") : `0x${bits.toString(16)}`;
}

function readL1(source: ByteSource, header: Qcow2Header): Buffer {
  const { clusterBits, l1Size, l1TableOffset, sizeBytes } = header;
  const perEntry = 1n << BigInt(2 * clusterBits - 3);
  const needed = (sizeBytes + perEntry - 1n) / perEntry;
  const l1Bytes = l1Size * TABLE_ENTRY_BYTES;
  if (BigInt(l1Size) < needed || l1Bytes > MAX_L1_BYTES) {
    const expectation = `expected ${needed} entries or more in at most ${MAX_L1_BYTES} bytes, got ${l1Size}`;
    throw new FormatError({ record: "Qcow2Header", field: "l1Size" }, expectation);
  }
  if (l1TableOffset + BigInt(l1Bytes) > BigInt(source.sizeBytes)) {
    const expectation = `expected a table within ${source.sizeBytes} bytes, got one at ${l1TableOffset}`;
    throw new FormatError({ record: "Qcow2Header", field: "l1TableOffset" }, expectation);
  }
  return source.read(Number(l1TableOffset), l1Bytes);
}
