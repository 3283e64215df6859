import type { StorageSettings } from "@cvm-build/profile";
import { DATA_OFFSET_BYTES } from "./storage-script.ts";

/** What decides how a header looks. */
export type HeaderKind = Pick<StorageSettings, "key" | "integrity">;

/** aes-xts with two keys of 256 bits, and one of 256 bits for HMAC-SHA-256. In bytes. */
const CIPHER_KEY_BYTES = 64;
const INTEGRITY_KEY_BYTES = 32;
/** Each of the two copies of header and metadata. @see LUKS2 On-Disk Format Specification 1.1.4, section 2 */
const METADATA_BYTES = 16 << 10;
/** How often a keyslot repeats the key, so that a single sector's loss destroys it. @see the same, section 4.2 */
const STRIPES = 4000;
const AREA_ALIGNMENT_BYTES = 4096;

const BASE64 = '"[A-Za-z0-9+/]+=*"';

/**
 * Every field that the metadata of a header of ours has, and the pattern of its value as JSON: no other field, no other
 * value is taken from a disk. What may differ is what no attacker gains by: salts, digests and what the TPM has sealed. All
 * that names an algorithm, a size or a place is fixed, so that there is one segment, one keyslot and no cipher but AES.
 * @see LUKS2 On-Disk Format Specification 1.1.4, section 3, "JSON Area"
 */
export function headerRules({ key, integrity }: HeaderKind): [path: string, pattern: string][] {
  const keyBytes = CIPHER_KEY_BYTES + (integrity ? INTEGRITY_KEY_BYTES : 0);
  const areaBytes = Math.ceil((keyBytes * STRIPES) / AREA_ALIGNMENT_BYTES) * AREA_ALIGNMENT_BYTES;
  // The first slot is that of the key which the TPM's replaces.
  const slot = key === "tpm2" ? 1 : 0;
  const keyslot = `keyslots/${slot}`;
  return [
    [`${keyslot}/type`, '"luks2"'],
    [`${keyslot}/key_size`, String(keyBytes)],
    [`${keyslot}/af/type`, '"luks1"'],
    [`${keyslot}/af/stripes`, String(STRIPES)],
    [`${keyslot}/af/hash`, '"sha(256|512)"'],
    [`${keyslot}/area/type`, '"raw"'],
    [`${keyslot}/area/offset`, `"${2 * METADATA_BYTES + slot * areaBytes}"`],
    [`${keyslot}/area/size`, `"${areaBytes}"`],
    [`${keyslot}/area/encryption`, '"aes-xts-plain64"'],
    [`${keyslot}/area/key_size`, String(CIPHER_KEY_BYTES)],
    [`${keyslot}/kdf/type`, '"pbkdf2"'],
    [`${keyslot}/kdf/hash`, '"sha(256|512)"'],
    [`${keyslot}/kdf/iterations`, "[1-9][0-9][0-9][0-9][0-9]?[0-9]?[0-9]?"],
    [`${keyslot}/kdf/salt`, BASE64],
    ...(key === "tpm2" ? tokenRules(slot) : []),
    ["segments/0/type", '"crypt"'],
    ["segments/0/offset", `"${DATA_OFFSET_BYTES}"`],
    ["segments/0/size", '"dynamic"'],
    ["segments/0/iv_tweak", '"0"'],
    ["segments/0/encryption", '"aes-xts-plain64"'],
    ["segments/0/sector_size", "4096"],
    ...(integrity ? INTEGRITY_RULES : []),
    ["digests/0/type", '"pbkdf2"'],
    ["digests/0/keyslots/0", `"${slot}"`],
    ["digests/0/segments/0", '"0"'],
    ["digests/0/hash", '"sha(256|512)"'],
    ["digests/0/iterations", "[1-9][0-9][0-9][0-9][0-9]?[0-9]?[0-9]?"],
    ["digests/0/salt", BASE64],
    ["digests/0/digest", BASE64],
    ["config/json_size", `"${METADATA_BYTES - 4096}"`],
    ["config/keyslots_size", `"${DATA_OFFSET_BYTES - 2 * METADATA_BYTES}"`],
  ];
}

/** The field whose value is checked further: it must hold nothing but what this TPM itself has sealed. */
export const SEALED_KEY_FIELD = "tokens/0/tpm2-blob";

/** @see systemd's JSON of LUKS2 tokens, "systemd-tpm2", as of 257 */
function tokenRules(slot: number): [path: string, pattern: string][] {
  return [
    ["tokens/0/type", '"systemd-tpm2"'],
    ["tokens/0/keyslots/0", `"${slot}"`],
    [SEALED_KEY_FIELD, BASE64],
    ["tokens/0/tpm2-pcrs/0", "7"],
    ["tokens/0/tpm2-pcrs/1", "12"],
    ["tokens/0/tpm2-pcrs/2", "13"],
    ["tokens/0/tpm2-pcr-bank", '"sha256"'],
    ["tokens/0/tpm2-primary-alg", '"(ecc|rsa)"'],
    ["tokens/0/tpm2-policy-hash", '"[0-9a-f]+"'],
    ["tokens/0/tpm2_pubkey_pcrs/0", "11"],
    ["tokens/0/tpm2_pubkey", BASE64],
    ["tokens/0/tpm2_srk", BASE64],
  ];
}

const INTEGRITY_RULES: [path: string, pattern: string][] = [
  ["segments/0/integrity/type", '"hmac\\(sha256\\)"'],
  ["segments/0/integrity/journal_encryption", '"none"'],
  ["segments/0/integrity/journal_integrity", '"none"'],
];
