import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { compareCodeUnits } from "@cvm-build/bytes";
import type { Key } from "openpgp";
import { reasonOf, StoreError } from "../errors.ts";

/** Where Debian and its derivatives keep the archive's keys. */
export const HOST_KEYRINGS = "/usr/share/keyrings";

/**
 * Which files of a folder are the archive's keyrings. A folder of keyrings also holds those of other vendors, who are
 * not to sign Debian's indexes, and those that Debian has retired.
 */
const ARCHIVE_KEYRING = /^debian-archive-(?!removed-keys)[\w.-]*\.(asc|gpg|pgp)$/;

/** A certificate and where it was read from. */
export interface TrustedKey {
  key: Key;
  file: string;
}

/**
 * Reads OpenPGP certificates, armoured or binary.
 * @param paths files, or folders of which the `debian-archive-*` keyrings are taken
 * @throws StoreError `keyring` for a path that is missing or holds no certificates
 */
export async function readKeyrings(paths: readonly string[]): Promise<TrustedKey[]> {
  const { readKeys } = await import("openpgp");
  const trusted: TrustedKey[] = [];
  for (const file of paths.flatMap(filesOf)) {
    try {
      const bytes = readFileSync(file);
      const armoured = bytes.includes("-----BEGIN PGP");
      const keys = await (armoured
        ? readKeys({ armoredKeys: bytes.toString("latin1") })
        : readKeys({ binaryKeys: new Uint8Array(bytes) }));
      trusted.push(...keys.map((key) => ({ key, file })));
    } catch (error) {
      throw unusable(file, error);
    }
  }
  return trusted;
}

function filesOf(path: string): string[] {
  try {
    if (!statSync(path).isDirectory()) return [path];
    return readdirSync(path)
      .filter((name) => ARCHIVE_KEYRING.test(name))
      .sort(compareCodeUnits)
      .map((name) => join(path, name));
  } catch (error) {
    throw unusable(path, error);
  }
}

function unusable(path: string, error: unknown): StoreError {
  return new StoreError("keyring", `cannot read keyring "${path}": expected OpenPGP keys, got ${reasonOf(error)}`, {
    cause: error,
    details: { file: path },
  });
}
