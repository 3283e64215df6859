/** A block of a PEM file. */
export interface PemBlock {
  /** What stands after `BEGIN`. */
  label: string;
  /** The block with its boundaries. */
  text: string;
}

const BEGIN = /-----BEGIN ([A-Z0-9][A-Z0-9 ]*)-----/g;

/**
 * Finds the blocks of a PEM file; text around them is ignored, as is a block without an end.
 * @see RFC 7468 section 2
 */
export function pemBlocks(bytes: Buffer): PemBlock[] {
  const text = bytes.toString("latin1");
  const blocks: PemBlock[] = [];
  let from = 0;
  for (const { index, 0: begin, 1: label = "" } of text.matchAll(BEGIN)) {
    if (index < from) continue;
    const end = `-----END ${label}-----`;
    const at = text.indexOf(end, index + begin.length);
    if (at < 0) break;
    from = at + end.length;
    blocks.push({ label, text: text.slice(index, from) });
  }
  return blocks;
}
