import type { Measurements } from "../measurements.ts";

/** What a verifier's log calls an image: id and version, where it has one. */
export function imageTitle({ id, version }: Measurements["image"]): string {
  return version === "" ? id : `${id}_${version}`;
}

/** Name of the image's file. One that cvm-build did not build has no version, and its file's name as id. */
export function imageFile({ id, version, file }: Measurements["image"]): string {
  return version === "" ? id : (file ?? `${id}.efi`);
}
