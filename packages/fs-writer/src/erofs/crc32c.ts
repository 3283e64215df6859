/** Castagnoli's polynomial, bits reversed. */
const POLYNOMIAL = 0x82f63b78;
const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ POLYNOMIAL : value >>> 1;
  return value;
});

/**
 * The register of CRC32C after `bytes`, without the last inversion: as the checksum of a superblock has it.
 * @param start the register before; all ones unless given
 * @see RFC 3720, 12.1; Linux, fs/erofs/super.c, erofs_superblock_csum_verify
 */
export function crc32cRegister(bytes: Uint8Array, start = 0xffffffff): number {
  let register = start;
  for (const byte of bytes) register = (register >>> 8) ^ (TABLE[(register ^ byte) & 0xff] as number);
  return register >>> 0;
}
