import { ukiError } from "../../error.ts";
import { CKF } from "./cryptoki.ts";
import type { LibraryInfo, SlotInfo, TokenInfo } from "./layout.ts";
import type { CryptokiModule } from "./module.ts";
import { type Pkcs11Uri, TEXT_ATTRIBUTES, type TextAttribute } from "./uri.ts";

/** No machine has as many tokens. */
const MOST_SLOTS = 1024;

/** A token in a slot. */
export interface Token {
  slot: number;
  label: string;
  info: TokenInfo;
}

/**
 * Finds the token that a URI names.
 * @throws CvmError `signer` where there is none, or more than one
 */
export function findToken(module: CryptokiModule, uri: Pkcs11Uri): Token {
  const tokens = listTokens(module);
  const fitting = tokens.filter(({ attributes }) =>
    TEXT_ATTRIBUTES.every((name) => uri.text[name] === undefined || uri.text[name] === attributes[name]),
  );
  const [token] = fitting;
  if (token && fitting.length === 1) return token;
  const wanted = Object.entries(uri.text).map(([name, value]) => `${name}=${value}`);
  const labels = (some: readonly Token[]) => some.map(({ label }) => `"${label}"`).join(", ") || "none";
  const expected = wanted.length === 0 ? "one token" : `one with ${wanted.join(", ")}`;
  const got = fitting.length === 0 ? labels(tokens) : `${fitting.length}: ${labels(fitting)}`;
  throw ukiError("signer", `cannot find token in "${module.path}": expected ${expected}, got ${got}`, {
    hint: "pkcs11-tool --list-token-slots, or p11tool --list-tokens, shows what is there",
  });
}

interface DescribedToken extends Token {
  attributes: Readonly<Record<TextAttribute, string>>;
}

function listTokens(module: CryptokiModule): DescribedToken[] {
  const slots = module.numbers(MOST_SLOTS, (bytes) => {
    const count = [MOST_SLOTS];
    module.call("C_GetSlotList", 1, bytes, count);
    return count[0] ?? 0;
  });
  const library = module.describe<LibraryInfo>("C_GetInfo");
  return slots.flatMap((slot) => {
    const info = module.describe<TokenInfo>("C_GetTokenInfo", slot);
    if ((info.flags & CKF.tokenInitialized) === 0) return [];
    const slotInfo = module.describe<SlotInfo>("C_GetSlotInfo", slot);
    const attributes = {
      token: padded(info.label),
      manufacturer: padded(info.manufacturerID),
      serial: padded(info.serialNumber),
      model: padded(info.model),
      "library-manufacturer": padded(library.manufacturerID),
      "library-description": padded(library.libraryDescription),
      "library-version": [...library.libraryVersion].join("."),
      "slot-manufacturer": padded(slotInfo.manufacturerID),
      "slot-description": padded(slotInfo.slotDescription),
      "slot-id": String(slot),
    };
    return [{ slot, label: attributes.token, info, attributes }];
  });
}

/** Text that is padded with blanks to the length of its field. */
function padded(field: Uint8Array): string {
  return Buffer.from(field)
    .toString("utf8")
    .replace(/[ \0]+$/, "");
}
