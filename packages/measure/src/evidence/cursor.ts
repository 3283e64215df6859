import { FormatError, type RecordType, type ValueOf } from "@cvm-build/bytes";

/** Reads foreign bytes from front to back. Nothing is read beyond their end. */
export class Cursor {
  readonly #record: string;
  readonly #bytes: Buffer;
  #offset = 0;

  /** @param record what the bytes are, for errors */
  constructor(record: string, bytes: Uint8Array) {
    this.#record = record;
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** Offset of what is read next. */
  get offsetBytes(): number {
    return this.#offset;
  }

  /** Bytes that are left. */
  get leftBytes(): number {
    return this.#bytes.length - this.#offset;
  }

  /** The next `sizeBytes` bytes. */
  bytes(sizeBytes: number, field: string): Buffer {
    if (sizeBytes > this.leftBytes) throw this.error(field, `expected ${sizeBytes} bytes, got ${this.leftBytes}`);
    const start = this.#offset;
    this.#offset += sizeBytes;
    return this.#bytes.subarray(start, this.#offset);
  }

  /** The next record. */
  record<R extends RecordType<any>>(type: R): ValueOf<R> {
    const values = type.decode(this.#bytes, this.#offset) as ValueOf<R>;
    this.#offset += type.sizeBytes;
    return values;
  }

  /** The next byte, which stays the next; undefined at the end. */
  peek(): number | undefined {
    return this.#bytes[this.#offset];
  }

  u8(field: string): number {
    return this.bytes(1, field).readUInt8();
  }

  u16be(field: string): number {
    return this.bytes(2, field).readUInt16BE();
  }

  u32be(field: string): number {
    return this.bytes(4, field).readUInt32BE();
  }

  u32le(field: string): number {
    return this.bytes(4, field).readUInt32LE();
  }

  /** An error at what is read next. */
  error(field: string, expectation: string): FormatError {
    return new FormatError({ record: this.#record, field, offsetBytes: this.#offset }, expectation);
  }
}
