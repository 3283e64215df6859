import { ukiError } from "../../error.ts";

/** Attributes of a token, its slot and its library, which are compared as text. */
export const TEXT_ATTRIBUTES = [
  "token",
  "manufacturer",
  "serial",
  "model",
  "library-manufacturer",
  "library-description",
  "library-version",
  "slot-manufacturer",
  "slot-description",
  "slot-id",
] as const;
/** An attribute that is compared as text. */
export type TextAttribute = (typeof TEXT_ATTRIBUTES)[number];

/** Which object of which token, and how to get at it. */
export interface Pkcs11Uri {
  text: Readonly<Partial<Record<TextAttribute, string>>>;
  object?: Buffer;
  id?: Buffer;
  type?: string;
  modulePath?: string;
  /** Path of a file with the PIN. */
  pinSource?: string;
}

const PATH_ATTRIBUTES: readonly string[] = [...TEXT_ATTRIBUTES, "object", "id", "type"];
const QUERY_ATTRIBUTES: readonly string[] = ["module-path", "pin-source"];

/** Says whether a reference is a PKCS#11 URI. */
export function isPkcs11Uri(reference: string): boolean {
  return reference.startsWith("pkcs11:");
}

/**
 * Parses a PKCS#11 URI.
 * @throws CvmError `signer`
 * @see RFC 7512
 */
export function parsePkcs11Uri(uri: string): Pkcs11Uri {
  // Before anything is quoted: arguments are visible to everybody on the machine, and errors to whoever reads a log.
  if (/pin-value/i.test(uri)) {
    throw ukiError("signer", "cannot use a PKCS#11 URI with pin-value: expected the PIN elsewhere, got it in the URI", {
      hint: "write it to a file with permissions 0600 and name that: ?pin-source=file:/path",
    });
  }
  const rest = uri.slice("pkcs11:".length);
  const question = rest.includes("?") ? rest.indexOf("?") : rest.length;
  const attributes = new Map([
    ...parseAttributes(rest.slice(0, question).split(";"), { uri, known: PATH_ATTRIBUTES }),
    ...parseAttributes(rest.slice(question + 1).split("&"), { uri, known: QUERY_ATTRIBUTES }),
  ]);
  const text = (name: string) => attributes.get(name)?.toString("utf8");
  const fields = {
    object: attributes.get("object"),
    id: attributes.get("id"),
    type: text("type"),
    modulePath: text("module-path"),
    pinSource: pinPath(text("pin-source"), uri),
  };
  const texts = TEXT_ATTRIBUTES.map((name) => [name, text(name)] as const);
  return { ...present(Object.entries(fields)), text: present(texts) };
}

function parseAttributes(
  parts: readonly string[],
  { uri, known }: { uri: string; known: readonly string[] },
): Map<string, Buffer> {
  const attributes = new Map<string, Buffer>();
  for (const part of parts.filter(Boolean)) {
    const [, name = "", value = ""] = /^([^=]+)=(.*)$/s.exec(part) ?? [];
    if (!known.includes(name)) throw unfitUri(uri, `one of ${known.join(", ")}`, part);
    if (attributes.has(name)) throw unfitUri(uri, `one ${name}`, "two");
    if (/%(?![0-9A-Fa-f]{2})/.test(value)) throw unfitUri(uri, "two hexadecimal digits after each %", part);
    attributes.set(name, percentDecode(value));
  }
  return attributes;
}

function percentDecode(value: string): Buffer {
  const pieces = value.split(/(%[0-9A-Fa-f]{2})/).map((piece) => {
    return piece.startsWith("%") ? Buffer.from(piece.slice(1), "hex") : Buffer.from(piece, "utf8");
  });
  return Buffer.concat(pieces);
}

/** A PIN may come from a program too by the RFC; here it comes from a file. */
function pinPath(source: string | undefined, uri: string): string | undefined {
  if (source?.startsWith("|")) throw unfitUri(uri, "a file in pin-source", "a program");
  return source?.replace(/^file:(\/\/(?=\/))?/, "");
}

function present<T>(entries: readonly (readonly [string, T | undefined])[]): Record<string, T> {
  return Object.fromEntries(entries.filter((entry): entry is [string, T] => entry[1] !== undefined));
}

function unfitUri(uri: string, expected: string, got: string): Error {
  return ukiError("signer", `cannot use PKCS#11 URI "${uri}": expected ${expected}, got ${got}`, {
    hint: "such as pkcs11:token=release;object=db?module-path=/usr/lib/softhsm/libsofthsm2.so (RFC 7512)",
  });
}
