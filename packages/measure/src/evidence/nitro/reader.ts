import { DIGEST_SIZE_BYTES, FormatError, HASH_ALGORITHMS } from "@cvm-build/bytes";
import type { PcrValues } from "../../registers.ts";
import { type Evidence, emptyEvidence } from "../evidence.ts";
import { type CborValue, decodeCbor } from "./cbor.ts";

const RECORD = "Nitro attestation document";

/** How a COSE_Sign1 begins: with its tag or without, an array of four, and the protected header. */
const BEGINNINGS = [Buffer.of(0xd2, 0x84, 0x44), Buffer.of(0x84, 0x44)];

/** Whether bytes begin as a Nitro attestation document does. */
export function isNitroDocument(bytes: Buffer): boolean {
  return BEGINNINGS.some((beginning) => bytes.subarray(0, beginning.length).equals(beginning));
}

/**
 * Decodes an attestation document of AWS: of a NitroTPM, whose PCRs are those of the guest's boot, or of a Nitro Enclave,
 * whose PCRs are others and are given as fields.
 * @throws FormatError where it is no COSE_Sign1 of such a document
 * @see AWS, "Attestation Document contents" of the EC2 and the Nitro Enclaves user guides; RFC 9052, 4.2
 */
export function readNitroDocument(bytes: Buffer): Evidence {
  const envelope = decodeCbor(RECORD, bytes);
  const payload = Array.isArray(envelope) && envelope.length === 4 ? envelope[2] : undefined;
  if (!Buffer.isBuffer(payload)) throw refuse("payload", "expected a COSE_Sign1 of bytes, got something else");
  const document = decodeCbor(RECORD, payload);
  if (!(document instanceof Map)) throw refuse("payload", "expected a map, got something else");
  const bank = HASH_ALGORITHMS.find((name) => name === String(document.get("digest")).toLowerCase());
  if (bank === undefined) throw refuse("digest", "expected a hash algorithm, got something else");
  const ofTpm = document.get("nitrotpm_pcrs");
  const pcrs = readPcrs(ofTpm ?? document.get("pcrs"), DIGEST_SIZE_BYTES[bank]);
  const values = Object.fromEntries(pcrs.map(([index, value]) => [index, value.toString("hex")]));
  const pcr: PcrValues = ofTpm === undefined ? {} : { [bank]: values };
  const kind = ofTpm === undefined ? "Nitro Enclave" : "NitroTPM";
  return {
    ...emptyEvidence("nitro-document", `attestation document of a ${kind}`),
    registers: { pcr },
    fields: {
      ...textFields(document),
      ...(ofTpm === undefined &&
        Object.fromEntries(pcrs.map(([index, value]) => [`pcr${index}`, value.toString("hex")]))),
    },
    warnings: ofTpm === undefined ? ["PCRs of a Nitro Enclave are not those of a TPM, and are not compared"] : [],
    unchecked: ["the document's signature and its certificates up to AWS's", "the nonce and the user data"],
  };
}

function readPcrs(pcrs: CborValue | undefined, sizeBytes: number): [number, Buffer][] {
  if (!(pcrs instanceof Map)) throw refuse("pcrs", "expected a map, got something else");
  return [...pcrs].map(([index, value]) => {
    const isPcr = typeof index === "number" && index < 32 && Buffer.isBuffer(value) && value.length === sizeBytes;
    if (!isPcr) throw refuse("pcrs", `expected values of ${sizeBytes} bytes by index, got something else`);
    return [index, value];
  });
}

function textFields(document: Map<CborValue, CborValue>): Record<string, string> {
  return Object.fromEntries(
    ["module_id", "timestamp", "public_key", "user_data", "nonce"].flatMap((name) => {
      const value = document.get(name);
      if (value === undefined || value === null) return [];
      return [[name, Buffer.isBuffer(value) ? value.toString("hex") : String(value)]];
    }),
  );
}

function refuse(field: string, expectation: string): FormatError {
  return new FormatError({ record: RECORD, field }, expectation);
}
