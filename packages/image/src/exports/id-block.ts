import { canonicalJson } from "@cvm-build/bytes";
import { signIdBlock } from "@cvm-build/measure";
import { combinations, digestOf } from "./combinations.ts";
import { exportError } from "./export-error.ts";
import type { ExportDetails } from "./reference-values.ts";
import type { EncodeExport } from "./reference-values.ts";

/**
 * Writes ID blocks for SEV-SNP, a file each platform and legal launch digest: with one, the hardware starts no guest of
 * another launch digest, and its reports name the keys that signed.
 * @see SEV-SNP Firmware ABI, 8.18, "SNP_LAUNCH_FINISH"
 */
export const encodeIdBlock: EncodeExport = async ({ measurements: { image }, platforms }, request) => {
  const signers = signersOf(request);
  const files = platforms.flatMap((platform) => {
    const choices = combinations(platform);
    return choices.map(async (registers, index) => {
      const [register] = registers;
      const launchDigest = register ? digestOf(register.value) : "";
      const { policy, familyId, imageId, guestSvn } = request.idBlock ?? {};
      const { idBlock, idAuth, ...signed } = await signIdBlock({
        launchDigest,
        ...signers,
        ...(policy !== undefined && { policy }),
        ...(familyId !== undefined && { familyId: Buffer.from(familyId, "hex") }),
        ...(imageId !== undefined && { imageId: Buffer.from(imageId, "hex") }),
        ...(guestSvn !== undefined && { guestSvn }),
      });
      const document = {
        platform: platform.name,
        launchDigest,
        idBlock: idBlock.toString("base64"),
        idAuth: idAuth.toString("base64"),
        ...signed,
      };
      const name = [image.id, platform.name, ...(choices.length > 1 ? [String(index + 1)] : []), "id-block.json"].join(
        ".",
      );
      return { fileName: name, bytes: Buffer.from(canonicalJson(document)) };
    });
  });
  return Promise.all(files);
};

function signersOf({ signer, idBlock }: ExportDetails) {
  if (!signer) {
    throw exportError("as id-block", {
      expected: "a key on P-384 that signs the block",
      got: "none",
      hint: "name it: --key, and --author-key for the key that speaks for it",
    });
  }
  return { idKey: signer, ...(idBlock?.authorKey && { authorKey: idBlock.authorKey }) };
}
