import { ukiError } from "../../error.ts";
import { CKA, CKO, CKR } from "./cryptoki.ts";
import type { Attribute } from "./layout.ts";
import type { TokenSession } from "./session.ts";
import type { Pkcs11Uri } from "./uri.ts";

/** More than anybody chooses among. */
const MOST_OBJECTS = 256;
/** A certificate or modulus is far smaller. */
const MOST_ATTRIBUTE_BYTES = 1 << 20;

const CLASS_NAMES: Readonly<Record<number, string>> = {
  [CKO.certificate]: "a certificate",
  [CKO.publicKey]: "a public key",
  [CKO.privateKey]: "a private key",
  [CKO.secretKey]: "a secret key",
};

/** What to look for: of which class, and what else. */
export interface ObjectTemplate {
  class?: number;
  label?: Buffer | undefined;
  id?: Buffer | undefined;
}

/** Finds objects; those that are private only after a login. */
export function findObjects({ module, handle }: TokenSession, template: ObjectTemplate): number[] {
  const wanted: [number, Buffer | undefined][] = [
    [CKA.class, template.class === undefined ? undefined : module.encodeNumber(template.class)],
    [CKA.label, template.label],
    [CKA.id, template.id],
  ];
  const attributes = wanted.flatMap(([type, value]) => (value ? [attributeOf(type, value)] : []));
  module.call("C_FindObjectsInit", handle, attributes, attributes.length);
  try {
    return module.numbers(MOST_OBJECTS, (bytes) => {
      const count = [0];
      module.call("C_FindObjects", handle, bytes, MOST_OBJECTS, count);
      return count[0] ?? 0;
    });
  } finally {
    module.attempt("C_FindObjectsFinal", handle);
  }
}

/**
 * Finds the private key that a URI names.
 * @throws CvmError `signer` where there is none, or more than one
 */
export function findPrivateKey(session: TokenSession, { object: label, id }: Pkcs11Uri): number {
  const keys = findObjects(session, { class: CKO.privateKey, label, id });
  const [key] = keys;
  if (key !== undefined && keys.length === 1) return key;
  const token = session.token.label;
  if (keys.length > 1) {
    throw ukiError(
      "signer",
      `cannot find private key in token "${token}": expected one, got ${nameAll(session, keys)}`,
      {
        hint: "name it by object=LABEL, by id=%01, or both",
      },
    );
  }
  const others = findObjects(session, { label, id }).map((other) => {
    const kind = session.module.decodeNumber(readAttribute(session, other, CKA.class));
    return CLASS_NAMES[kind ?? -1] ?? "another object";
  });
  const got = others.length === 0 ? "none of that name" : [...new Set(others)].join(" and ");
  const there = findObjects(session, { class: CKO.privateKey });
  throw ukiError("signer", `cannot find private key in token "${token}": expected one, got ${got}`, {
    hint: there.length === 0 ? "the token holds no private key" : `the token holds ${nameAll(session, there)}`,
  });
}

/** Reads an attribute; undefined where the object has none or does not tell. */
export function readAttribute(session: TokenSession, object: number, type: number): Buffer | undefined {
  const length = fillAttribute(session, object, { type, pValue: null, ulValueLen: 0 });
  if (length === undefined || length > MOST_ATTRIBUTE_BYTES) return undefined;
  const value = Buffer.alloc(length);
  const filled = fillAttribute(session, object, attributeOf(type, value));
  return filled === undefined ? undefined : value.subarray(0, filled);
}

/** Has the token fill an attribute, and returns its length in bytes. */
function fillAttribute({ module, handle }: TokenSession, object: number, attribute: Attribute): number | undefined {
  const template = [attribute];
  const value = module.attempt("C_GetAttributeValue", handle, object, template, template.length);
  return value === CKR.ok ? Number(template[0]?.ulValueLen) : undefined;
}

/** Labels and ids of keys, as a URI names them. */
function nameAll(session: TokenSession, keys: readonly number[]): string {
  const names = keys.map((key) => {
    const label = readAttribute(session, key, CKA.label)?.toString("utf8");
    const id = readAttribute(session, key, CKA.id)?.toString("hex").replaceAll(/../g, "%$&");
    return `object=${encodeURIComponent(label ?? "")};id=${id ?? ""}`;
  });
  return names.join(", ");
}

function attributeOf(type: number, value: Buffer): Attribute {
  return { type, pValue: value, ulValueLen: value.length };
}
