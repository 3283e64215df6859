import type { KeyObject } from "node:crypto";
import { CvmError, DerTag, digest, expectDer, raw, readDer, readDerList, record, u32le, u64le } from "@cvm-build/bytes";
import type { Signer } from "@cvm-build/uki";

/** What a guest is expected to be: 96 bytes. @see SEV-SNP Firmware ABI, 8.18, "Structure of the ID Block" */
const IdBlock = record("ID_BLOCK", 96, {
  launchDigest: [0x00, raw(48)],
  familyId: [0x30, raw(16)],
  imageId: [0x40, raw(16)],
  version: [0x50, u32le],
  guestSvn: [0x54, u32le],
  policy: [0x58, u64le],
});

/** A key on P-384: 1028 bytes. @see SEV-SNP Firmware ABI, "Format of an ECDSA P-384 Public Key" */
const EcdsaKey = record("ECDSA_P384_KEY", 0x404, {
  curve: [0x00, u32le],
  qx: [0x04, raw(72)],
  qy: [0x4c, raw(72)],
  reserved: [0x94, raw(0x370)],
});

/** A signature on P-384: 512 bytes. @see SEV-SNP Firmware ABI, "Format for an ECDSA P-384 with SHA-384 Signature" */
const EcdsaSignature = record("ECDSA_P384_SIGNATURE", 512, {
  r: [0x00, raw(72)],
  s: [0x48, raw(72)],
  reserved: [0x90, raw(368)],
});

/** Who vouches for an ID block: one page. @see SEV-SNP Firmware ABI, 8.18, "ID Authentication Information Structure" */
const IdAuth = record("ID_AUTH", 4096, {
  idKeyAlgorithm: [0x000, u32le],
  authorKeyAlgorithm: [0x004, u32le],
  reserved1: [0x008, raw(56)],
  idBlockSignature: [0x040, raw(EcdsaSignature.sizeBytes)],
  idKey: [0x240, raw(EcdsaKey.sizeBytes)],
  reserved2: [0x644, raw(60)],
  idKeySignature: [0x680, raw(EcdsaSignature.sizeBytes)],
  authorKey: [0x880, raw(EcdsaKey.sizeBytes)],
  reserved3: [0xc84, raw(892)],
});

const P384 = 2;
const ECDSA_P384_WITH_SHA384 = 1;
const ID_BLOCK_VERSION = 1;
/** SMT allowed, and the bit that is always set. @see SEV-SNP Firmware ABI, "Guest Policy" */
const DEFAULT_POLICY = 0x3_0000n;

/** What an ID block says. */
export interface IdBlockRequest {
  /** Lower-case hex. */
  launchDigest: string;
  /** 16 bytes that the firmware passes on to the report; zeros unless given. */
  familyId?: Buffer;
  imageId?: Buffer;
  guestSvn?: number;
  /** As the guest is started with; 0x30000 unless given. */
  policy?: bigint;
  /** Signs the block. */
  idKey: Signer;
  /** Signs the ID key. */
  authorKey?: Signer;
}

/** An ID block, and what the report of a guest tells that was started with it. */
export interface SignedIdBlock {
  /** 96 bytes. */
  idBlock: Buffer;
  /** 4096 bytes. */
  idAuth: Buffer;
  /** SHA-384, lower-case hex: `ID_KEY_DIGEST` of the report. */
  idKeyDigest: string;
  /** `AUTHOR_KEY_DIGEST` of the report. */
  authorKeyDigest?: string;
  /** Options of QEMU's object `sev-snp-guest`. */
  qemuOptions: string;
}

/**
 * Makes an ID block, with which the hardware starts no guest but one of that launch digest.
 * @throws CvmError `signer` where a key is none on P-384
 */
export async function signIdBlock(request: IdBlockRequest): Promise<SignedIdBlock> {
  const { idKey, authorKey } = request;
  const idBlock = IdBlock.encode({
    launchDigest: Buffer.from(request.launchDigest, "hex"),
    familyId: request.familyId ?? Buffer.alloc(16),
    imageId: request.imageId ?? Buffer.alloc(16),
    version: ID_BLOCK_VERSION,
    guestSvn: request.guestSvn ?? 0,
    policy: request.policy ?? DEFAULT_POLICY,
  });
  const key = encodeKey(idKey.publicKey);
  const author = authorKey && encodeKey(authorKey.publicKey);
  const idAuth = IdAuth.encode({
    idKeyAlgorithm: ECDSA_P384_WITH_SHA384,
    authorKeyAlgorithm: author ? ECDSA_P384_WITH_SHA384 : 0,
    reserved1: Buffer.alloc(56),
    idBlockSignature: await signature(idKey, idBlock),
    idKey: key,
    reserved2: Buffer.alloc(60),
    idKeySignature: authorKey ? await signature(authorKey, key) : Buffer.alloc(EcdsaSignature.sizeBytes),
    authorKey: author ?? Buffer.alloc(EcdsaKey.sizeBytes),
    reserved3: Buffer.alloc(892),
  });
  const options = [`id-block=${idBlock.toString("base64")}`, `id-auth=${idAuth.toString("base64")}`];
  return {
    idBlock,
    idAuth,
    idKeyDigest: digest("sha384", key).toString("hex"),
    ...(author && { authorKeyDigest: digest("sha384", author).toString("hex") }),
    qemuOptions: [...options, ...(author ? ["author-key-enabled=on"] : [])].join(","),
  };
}

function encodeKey(publicKey: KeyObject): Buffer {
  const { asymmetricKeyType, asymmetricKeyDetails } = publicKey;
  if (asymmetricKeyType !== "ec" || asymmetricKeyDetails?.namedCurve !== "secp384r1") {
    const found = asymmetricKeyDetails?.namedCurve ?? asymmetricKeyType ?? "none";
    throw new CvmError("signer", `cannot sign an ID block: expected a key on P-384, got ${found}`, {
      hint: "make one: `openssl ecparam -name secp384r1 -genkey -noout -out id.pem`",
    });
  }
  const { x = "", y = "" } = publicKey.export({ format: "jwk" });
  return EcdsaKey.encode({
    curve: P384,
    qx: littleEndian(Buffer.from(x, "base64url")),
    qy: littleEndian(Buffer.from(y, "base64url")),
    reserved: Buffer.alloc(0x370),
  });
}

async function signature(signer: Signer, message: Buffer): Promise<Buffer> {
  const place = { record: "ECDSA-Sig-Value" };
  const sequence = readDer(await signer.sign(message, "sha384"));
  const [r, s] = readDerList(expectDer(sequence, DerTag.sequence, place));
  return EcdsaSignature.encode({
    r: littleEndian(expectDer(r, DerTag.integer, place)),
    s: littleEndian(expectDer(s, DerTag.integer, place)),
    reserved: Buffer.alloc(368),
  });
}

/** A number as the firmware has it: 72 bytes, the lowest first. */
function littleEndian(bigEndian: Buffer): Buffer {
  const bytes = Buffer.alloc(72);
  Buffer.from(bigEndian).reverse().copy(bytes);
  return bytes;
}
