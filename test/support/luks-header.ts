import { createHash } from "node:crypto";
import { closeSync, openSync, readSync, writeSync } from "node:fs";

/** Header and metadata, of which there are two copies. @see LUKS2 On-Disk Format Specification 1.1.4, section 2 */
const COPY_BYTES = 16 << 10;
const BINARY_BYTES = 4096;
/** Places in the binary header: how often it was written, and the checksum over all, which counts as zero in it. */
const SEQUENCE = { at: 16 };
const CHECKSUM = { at: 448, sizeBytes: 64 };

/** A header's metadata, as far as tests change it. */
export interface LuksMetadata {
  keyslots: Record<string, { key_size: number; kdf: object; area: { encryption: string; offset: string } }>;
  segments: Record<string, Record<string, unknown>>;
  tokens: Record<string, Record<string, unknown>>;
  digests: Record<string, { keyslots: string[]; segments: string[] }>;
  config: Record<string, unknown>;
}

/**
 * Changes what a host can change without any key: the metadata on a disk or in a header's file, with checksums that are
 * right; both copies of it, or the second alone, which then is the newer one.
 */
export function tamperLuksHeader(
  path: string,
  change: (metadata: LuksMetadata) => void,
  { copies }: { copies: "both" | "second" } = { copies: "both" },
): void {
  const file = openSync(path, "r+");
  try {
    for (const offset of copies === "both" ? [0, COPY_BYTES] : [COPY_BYTES]) {
      const copy = Buffer.alloc(COPY_BYTES);
      readSync(file, copy, 0, COPY_BYTES, offset);
      const json = copy.subarray(BINARY_BYTES);
      const metadata = JSON.parse(json.toString("latin1", 0, json.indexOf(0))) as LuksMetadata;
      change(metadata);
      json.fill(0).write(JSON.stringify(metadata), "latin1");
      if (copies === "second") copy.writeBigUInt64BE(copy.readBigUInt64BE(SEQUENCE.at) + 1n, SEQUENCE.at);
      copy.fill(0, CHECKSUM.at, CHECKSUM.at + CHECKSUM.sizeBytes);
      createHash("sha256").update(copy).digest().copy(copy, CHECKSUM.at);
      writeSync(file, copy, 0, COPY_BYTES, offset);
    }
  } finally {
    closeSync(file);
  }
}

/** What a host may try with a header, by name. */
export const TAMPERINGS: Record<string, (metadata: LuksMetadata) => void> = {
  "data that is not encrypted": ({ segments }) => {
    segments["0"]!["encryption"] = "cipher_null-ecb";
  },
  "a key that is not encrypted": ({ keyslots }) => {
    for (const slot of Object.values(keyslots)) slot.area.encryption = "cipher_null-ecb";
  },
  "a weaker cipher": ({ segments }) => {
    segments["0"]!["encryption"] = "aes-cbc-plain";
  },
  "one more keyslot": ({ keyslots, digests }) => {
    const [slot] = Object.values(keyslots);
    keyslots["7"] = { ...slot!, area: { ...slot!.area, offset: "2097152" } };
    digests["0"]!.keyslots.push("7");
  },
  "one more segment": ({ segments, digests }) => {
    segments["1"] = { ...segments["0"]!, offset: "33554432" };
    segments["0"]!["size"] = "16777216";
    digests["0"]!.segments.push("1");
  },
  "data that is somewhere else": ({ segments }) => {
    segments["0"]!["offset"] = "33554432";
  },
  "other initialisation vectors": ({ segments }) => {
    segments["0"]!["iv_tweak"] = "8";
  },
  "a flag": ({ config }) => {
    config["flags"] = ["allow-discards"];
  },
  "an unfinished change of keys": ({ config }) => {
    config["requirements"] = { mandatory: ["online-reencrypt-v2"] };
  },
  "a token of somebody else's": ({ tokens, keyslots }) => {
    tokens["1"] = { type: "luks2-keyring", keyslots: Object.keys(keyslots), key_description: "known" };
  },
};
