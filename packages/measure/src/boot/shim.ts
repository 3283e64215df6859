import { encodeVariableData } from "../secure-boot-variables.ts";
import { partsOfImage, REMOVABLE_MEDIA_PATH } from "./firmware-log.ts";
import type { BootDraft } from "./boot-draft.ts";
import type { ShimStart } from "./boot.ts";
import { readWhole } from "../read-whole.ts";
import { isAtLeast } from "./version.ts";

/** Vendor of shim's variables. @see shim, lib/guid.c, `SHIM_LOCK_GUID` */
const SHIM_LOCK = "605dab50-e046-4300-abb6-3dd810dd8b23";

/** From here on whether MokList is trusted is no authority any more. @see shim, mok.c, `MOK_VARIABLE_MEASURE` */
const TRUST_NO_AUTHORITY_SINCE = "15.7";

/** Adds shim, its state, and what lets it start the next image. @see shim, mok.c, `mok_state_variables` */
export function addShim(shim: ShimStart, { draft, open, firmware, boot }: BootDraft): void {
  const { image, path = REMOVABLE_MEDIA_PATH, variables, authority } = shim;
  const source = { file: path };
  const db = firmware.require(path, image);
  firmware.addImage({ path, source, parts: partsOfImage(image), authority: db }, { fromDisk: true });
  const measure = (name: string, data: Uint8Array) =>
    draft.add({ pcr: 14, type: "EV_IPL", label: name, source: { constant: `variable ${name}` }, digest: data });
  const authorize = ({ name, vendor = SHIM_LOCK, data }: { name: string; vendor?: string; data: Uint8Array }) =>
    draft.add({
      pcr: 7,
      type: "EV_EFI_VARIABLE_AUTHORITY",
      label: name,
      source: { constant: `variable ${name}` },
      digest: encodeVariableData({ name, vendor, data: Buffer.from(data) }),
    });
  measure("MokList", variables.MokList);
  measure("MokListX", variables.MokListX);
  authorize({ name: "SbatLevel", data: variables.SbatLevel });
  if (variables.MokListTrusted) {
    const version = shimVersion(readWhole(image));
    if (version === undefined)
      open.leave([7], "whether shim measures MokListTrusted depends on its version, which it does not say");
    else if (!isAtLeast(version, TRUST_NO_AUTHORITY_SINCE)) {
      authorize({ name: "MokListTrusted", data: variables.MokListTrusted });
    }
    measure("MokListTrusted", variables.MokListTrusted);
  }
  if (authority) authorize(authority);
  if (!firmware.isSecure) return;
  if (!authority) open.leave([7], "what lets shim start the next image is not given");
  const next = "what shim makes of images that others start after it was not verified";
  if (boot.path.kind !== "esp") open.leave([4, 7], next);
  else if (boot.path.companions?.some((file) => /\.addon\.efi$/i.test(file.path))) open.leave([4, 7, 9, 12, 13], next);
}

/** What shim says of itself. @see shim, version.c.in, `shim_version` */
function shimVersion(image: Buffer): string | undefined {
  const at = image.indexOf("UEFI SHIM\n$Version: ");
  return at < 0 ? undefined : /\$Version: ([0-9.]{1,20}) \$/.exec(image.toString("latin1", at, at + 64))?.[1];
}
