import { type ByteSource, CvmError } from "@cvm-build/bytes";
import { judgeImage, type Signature } from "@cvm-build/uki";
import type { Addon } from "./companions.ts";
import type { Refusal } from "./prediction.ts";
import { isSecureBootOn, type SecureBootVariables } from "./secure-boot-variables.ts";

/** An image that firmware has started, and the entry of db that let it. */
export interface StartedImage {
  path: string;
  authority: Signature;
}

/**
 * Says which images of a boot firmware starts: with Secure Boot off all, with it on those that db lets it.
 * @throws CvmError `secure-boot` where the UKI is not among them
 */
export function startImages(
  uki: { path: string; content: ByteSource },
  { addons, secureBoot }: { addons: readonly Addon[]; secureBoot: false | { variables: SecureBootVariables } },
): { addons: readonly Addon[]; authorities: StartedImage[]; refused: Refusal[] } {
  if (!secureBoot || !isSecureBootOn(secureBoot.variables)) return { addons, authorities: [], refused: [] };
  const verdict = judgeImage(uki.content, secureBoot.variables);
  if (!("authority" in verdict)) {
    throw new CvmError(
      "secure-boot",
      `cannot predict a boot of "${uki.path}": expected an image that the firmware starts, got ${verdict.refusal}`,
      { hint: "sign it with a key whose certificate is in db: `cvm-build sign`" },
    );
  }
  const authorities: StartedImage[] = [{ path: uki.path, authority: verdict.authority }];
  const started: Addon[] = [];
  const refused: Refusal[] = [];
  for (const addon of addons) {
    const { path } = addon;
    const verdictOfAddon = judgeImage(addon.content, secureBoot.variables);
    if ("authority" in verdictOfAddon) {
      authorities.push({ path, authority: verdictOfAddon.authority });
      started.push(addon);
    } else {
      refused.push({ path, reason: verdictOfAddon.refusal });
    }
  }
  return { addons: started, authorities, refused };
}
