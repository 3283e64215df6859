/** A field of a message in protocol buffers' text format: a message, bytes given as hex, a number, a boolean or an enum. */
export type TextField =
  | { name: string; message: readonly TextField[] }
  | { name: string; hex: string }
  | { name: string; scalar: number | boolean | string };

/**
 * Writes a message in protocol buffers' text format, its fields in the order given, bytes as hexadecimal escapes.
 * @see protobuf.dev, "Text Format Language Specification"
 */
export function formatTextproto(fields: readonly TextField[], indent = ""): string {
  return fields.map((field) => `${indent}${formatField(field, indent)}\n`).join("");
}

function formatField(field: TextField, indent: string): string {
  if ("message" in field) return `${field.name} {\n${formatTextproto(field.message, `${indent}  `)}${indent}}`;
  if ("hex" in field) return `${field.name}: "${field.hex.replaceAll(/../g, "\\x$&")}"`;
  return `${field.name}: ${field.scalar}`;
}
