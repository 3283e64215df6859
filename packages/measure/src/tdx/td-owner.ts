import { CvmError } from "@cvm-build/bytes";

/**
 * What whoever starts a TD says of it, for its quotes to repeat: 48 bytes each, in lower-case hex. They are no
 * measurements; what they mean is between their giver and the verifier.
 * @see Intel TDX Module Base Architecture Specification, "MRCONFIGID, MROWNER, MROWNERCONFIG"
 */
export interface TdOwnerValues {
  mrConfigId: string;
  mrOwner: string;
  mrOwnerConfig: string;
}

const VALUE = /^[0-9a-f]{96}$/;
const UNSET = "00".repeat(48);

/**
 * Values as a platform names them: those that are not given are zero, as VMMs have it.
 * @throws CvmError `platform` where one is not 48 bytes in hex
 */
export function tdOwnerValues(given: { [Name in keyof TdOwnerValues]?: string | undefined }): TdOwnerValues {
  const value = (name: keyof TdOwnerValues) => {
    const text = (given[name] ?? UNSET).toLowerCase();
    if (VALUE.test(text)) return text;
    throw new CvmError("platform", `cannot use value "${name}": expected 48 bytes in hex, got "${given[name]}"`, {
      hint: "QEMU takes them in base64: tdx-guest,mrconfigid=… ; a digest shorter than 48 bytes is to be padded",
    });
  };
  return { mrConfigId: value("mrConfigId"), mrOwner: value("mrOwner"), mrOwnerConfig: value("mrOwnerConfig") };
}
