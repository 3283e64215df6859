import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  sign,
  X509Certificate,
} from "node:crypto";
import { DerTag, encodeDer } from "@cvm-build/bytes";
import { constructed, integer, NULL, objectIdentifier, octetString, sequence, setOf, TRUE } from "../asn1/writer.ts";
import type { Signer } from "../signer/signer.ts";
import { ECDSA_WITH_DIGEST, OID, RSA_WITH_DIGEST } from "./format.ts";

/** A key with its certificate, and whoever issued that. */
export interface Identity {
  name: string;
  privateKey: KeyObject;
  certificate: X509Certificate;
  issuer?: Identity;
}

/** What a made certificate says. */
export interface MadeCertificate {
  /** None where empty. */
  name: string;
  privateKey: KeyObject;
  /** Self-signed without one. */
  issuer?: Identity;
  serialNumber?: number;
  /** `basicConstraints`, critical; none without it. */
  authority?: { pathLength?: number };
  /** Further extensions, as type, whether critical, and value. */
  extensions?: readonly (readonly [string, boolean, Buffer])[];
}

/** An RSA key that only tests use: `openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048`. */
const RSA_KEY =
  "MIIEogIBAAKCAQEAqNjz8eUlDjsYDWuOimVnU/8IpYgxPF9m8OzhWt7yhB8Zl3Bc/ZJ03Jk/UISgvMIoyHJvdBJT+dGBjFCsAoZD005ZEcAWuLro" +
  "0sdG1srad3dW9yW6X0482nBaIucTPYj4SFtaN2qqWYvJBQJTk+/cKIIJu5nklXMLgfvwM5hR6tgFVzwn175YbfBUVwWzZTbn8hksc/RG9ZZ0t73N" +
  "nlilxsa0qhBLRHu2FZHqYumWfotmUdNHEMsWwdSgLRP5yYHGC0idM4LKbUMhRLD1RToH+6wcOZJluM+T/OAQLM/LLWN+NLU5vACY8OLHjDGuKObV" +
  "nkpWWZeShSUFuIl2FKL0kwIDAQABAoIBAAC4PAHx72sqG/t3/o7fHnD14Kbj97cW06zUivlaLepw6ikCakMNFsEXSMp3u5T9DDNz2WnDPOcPBOBW" +
  "OlrLEQrw2zb/fJlOTU5orwfyAWW09S1EfzuHbSxOgkktIaCHhEIQBvMUL08GZirxTEM7KH27tX2T4FeKuqfT172V4/N+SnHSkO6a2qOxFFXDc2Ah" +
  "QxJiCWEZy+1jpVxQXzMN0eorLzbltylln1QpImapGRp7wzeaet9lzWYsOCK9fBaclrGDsSf/clJ25+hITh1+7KUpk7ybwFB3dMlLxiNq54MQrhTJ" +
  "97n0RFabx2N+fYn3bzk4KtU8MJPk3jXxc95L4AECgYEA0JbphPvlcRr3aCLxVabHFB8roXwLSaKVM+r7O+2MRYtPNgXgxy5wD0w2/BvEARGHgbYu" +
  "n8Bk6PTJhEfPNG5cZFPIbVOC1zr4dxSKmyvVMPUS1Tm6iUdxlalsrA//jqpeHnA31KmKTrhyjZotj/XN2MjYXjdJQBxCqhXHv6ZYeAECgYEAzzmX" +
  "mJ7yCQnpn6tqsTioxN/27OeO2DCR+pL2VldFrw8UeHTmJPnVOGXzxYfCNeLAWUZiO0hy4+U4plHCe/NFLbBtPjY0z9daNZ/DnrYS1vI7laVG0xQZ" +
  "Bs0iCdFRhdtv2w+YaqR99u+f4qF6T+GObUP6x82qI+YIJIPnxBo2DJMCgYBt0yd8t0wk8zfUgqFioX8sHwVP7wnaaVn5jf1dnkM+0oyQOyQQe2jR" +
  "BSXmM5BNp7cbGpsNzbTT2x7HIS/9wSWwRVTACzpWrFvqBsy7yqZjMoYJ8m0+nnk1fZEUPxAlQ5pumFMtC18g94iI+eaHZ7pMK+OQJ7fPo5GOEA2t" +
  "4J2wAQKBgGnO91fneKAi3pY3mX+p9Yqo7NTkGyzKCA+QsJU/dIZBReuHjOe+ZR+p9wGaIxEOmbY72PZ6NKemp/lMb+iIO39rwSvt06N4S0hsLh9A" +
  "ynfUMZZkULiAX5L4dPPcXCrj88Y/vUxedy76BYJbfy+AdQ/XkRoqKkCwOOIkM9gOpiBfAoGAaLJb6CZ3VJFOzsLZUYAgtE7k0+O4O4l5fzw6X7i5" +
  "YdzEhhQqfAogVfoEmJ/UmcxUedwwdFUdLkPVCeGWg5JN5X682Ar+dmYNOBCrq6vZgQks71oYqcI0SNFOXrWCMqD8GVe7ldxqj4M5XzvnR5vWdkrJ" +
  "bHNbmhwffWKZUECeI+k=";

/** The fixed RSA-2048 key, with which signatures are the same each time. */
export function rsaKey(): KeyObject {
  return createPrivateKey({ key: Buffer.from(RSA_KEY, "base64"), format: "der", type: "pkcs1" });
}

/** A new key on a curve. */
export function ecKey(namedCurve: "P-256" | "P-384" | "P-521" = "P-256"): KeyObject {
  return generateKeyPairSync("ec", { namedCurve }).privateKey;
}

/** Makes a certificate that OpenSSL accepts, valid from 2020 to 2049. @see RFC 5280, 4.1 */
export function makeIdentity(made: MadeCertificate): Identity {
  const { name, privateKey, issuer } = made;
  const issuerKey = issuer?.privateKey ?? privateKey;
  const algorithm =
    issuerKey.asymmetricKeyType === "rsa"
      ? sequence(objectIdentifier(RSA_WITH_DIGEST.sha256), NULL)
      : sequence(objectIdentifier(ECDSA_WITH_DIGEST.sha256));
  const basicConstraints = made.authority && [
    TRUE,
    ...(made.authority.pathLength === undefined ? [] : [integer(made.authority.pathLength)]),
  ];
  const extensions = [
    ...(basicConstraints ? [[OID.basicConstraints, true, sequence(...basicConstraints)] as const] : []),
    ...(made.extensions ?? []),
  ].map(([type, critical, value]) => sequence(objectIdentifier(type), ...(critical ? [TRUE] : []), octetString(value)));
  const tbs = sequence(
    constructed(0, integer(2)),
    integer(made.serialNumber ?? 1),
    algorithm,
    commonName(issuer?.name ?? name),
    sequence(utcTime("200101000000Z"), utcTime("491231235959Z")),
    commonName(name),
    createPublicKey(privateKey).export({ format: "der", type: "spki" }),
    ...(extensions.length > 0 ? [constructed(3, sequence(...extensions))] : []),
  );
  const signature = Buffer.concat([Buffer.alloc(1), sign("sha256", tbs, issuerKey)]);
  const certificate = new X509Certificate(sequence(tbs, algorithm, encodeDer(DerTag.bitString, signature)));
  return { name, privateKey, certificate, ...(issuer && { issuer }) };
}

/** A signer that holds its key in memory. */
export function memorySigner(privateKey: KeyObject): Signer {
  return {
    publicKey: createPublicKey(privateKey),
    sign: (message, hash) => Promise.resolve(sign(hash, message, privateKey)),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

/** An empty name has no parts. */
function commonName(name: string): Buffer {
  return name === ""
    ? sequence()
    : sequence(setOf(sequence(objectIdentifier("2.5.4.3"), encodeDer(DerTag.utf8String, Buffer.from(name)))));
}

function utcTime(text: string): Buffer {
  return encodeDer(0x17, Buffer.from(text));
}
