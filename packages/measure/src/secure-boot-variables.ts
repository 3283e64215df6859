import { encodeGuid } from "@cvm-build/bytes";
import {
  currentVariables,
  EFI_GLOBAL_VARIABLE,
  encodeSignature,
  SECURE_BOOT_ENABLE,
  SECURE_BOOT_KEYS,
  type SecureBootKeyName,
  type Signature,
  type VariableStore,
} from "@cvm-build/uki";
import type { Draft } from "./draft.ts";
import { VariableData } from "./eventlog/format.ts";

/** What firmware's Secure Boot variables hold, each as it is read at boot; nothing where there is no such variable. */
export interface SecureBootVariables extends Partial<Record<SecureBootKeyName, Buffer>> {
  /** One byte: 1 where Secure Boot is on, 0 where it is off; nothing where firmware was built without it. */
  SecureBoot: Buffer;
}

/** Always measured, in this order, whether there or not. @see EDK2, SecurityPkg/Tcg/Tcg2Dxe, `mVariableType` */
const MEASURED = ["PK", "KEK", "db", "dbx"] as const satisfies SecureBootKeyName[];
/** Measured after those, where they have content. */
const MEASURED_IF_ANY = ["dbt", "dbr"] as const satisfies SecureBootKeyName[];

/**
 * The Secure Boot variables that firmware of EDK2's starts with from a variable store.
 * @param options.supported whether firmware was built with Secure Boot, as Debian's `OVMF_CODE_4M.fd` of bookworm and every
 * `secboot` build is, and `OVMF_CODE_4M.fd` of trixie is not; true unless given
 */
export function secureBootVariablesOf(
  store: Pick<VariableStore, "variables">,
  { supported = true }: { supported?: boolean } = {},
): SecureBootVariables {
  const variables = currentVariables(store);
  const find = (place: { name: string; vendor: string }) =>
    variables.find(({ name, vendor }) => name === place.name && vendor === place.vendor)?.data;
  const keys = Object.entries(SECURE_BOOT_KEYS).flatMap(([name, vendor]) => {
    const data = find({ name, vendor });
    return data === undefined ? [] : [[name, data] as const];
  });
  const isEnabled = (find(SECURE_BOOT_ENABLE)?.[0] ?? 1) === 1;
  const isOn = isEnabled && keys.some(([name]) => name === "PK");
  return { ...Object.fromEntries(keys), SecureBoot: Buffer.from(supported ? [isOn ? 1 : 0] : []) };
}

/** Whether firmware with these variables starts only what is signed. */
export function isSecureBootOn({ SecureBoot }: SecureBootVariables): boolean {
  return SecureBoot.length === 1 && SecureBoot[0] === 1;
}

/**
 * Adds PCR 7: the variables, then the separator.
 * @see TCG PC Client Platform Firmware Profile, "PCR[7] - Secure Boot Policy Measurements"
 */
export function addSecureBootVariables(draft: Draft, variables: SecureBootVariables): void {
  addVariable(draft, { name: "SecureBoot", vendor: EFI_GLOBAL_VARIABLE, data: variables.SecureBoot });
  for (const name of MEASURED) {
    addVariable(draft, { name, vendor: SECURE_BOOT_KEYS[name], data: variables[name] ?? Buffer.alloc(0) });
  }
  for (const name of MEASURED_IF_ANY) {
    const data = variables[name];
    if (data && data.length > 0) addVariable(draft, { name, vendor: SECURE_BOOT_KEYS[name], data });
  }
  const source = { constant: "separator" };
  draft.add({ pcr: 7, type: "EV_SEPARATOR", label: "separator", source, digest: Buffer.alloc(4) });
}

/**
 * Adds PCR 7: the entry of db that lets an image start, where it was not measured before.
 * @param image.measured what was measured so far, which is added to
 */
export function addAuthority(draft: Draft, image: { path: string; authority: Signature; measured: Set<string> }): void {
  const data = encodeSignature(image.authority);
  const key = data.toString("hex");
  if (image.measured.has(key)) return;
  image.measured.add(key);
  draft.add({
    pcr: 7,
    type: "EV_EFI_VARIABLE_AUTHORITY",
    label: "db",
    source: { file: image.path },
    digest: encodeVariableData({ name: "db", vendor: SECURE_BOOT_KEYS.db, data }),
  });
}

function addVariable(draft: Draft, variable: { name: string; vendor: string; data: Buffer }): void {
  draft.add({
    pcr: 7,
    type: "EV_EFI_VARIABLE_DRIVER_CONFIG",
    label: variable.name,
    source: { constant: `variable ${variable.name}` },
    digest: encodeVariableData(variable),
  });
}

/** A variable as it is measured. @see TCG PC Client Platform Firmware Profile, "UEFI_VARIABLE_DATA" */
export function encodeVariableData({ name, vendor, data }: { name: string; vendor: string; data: Buffer }): Buffer {
  const header = VariableData.encode({
    variableName: encodeGuid(vendor),
    nameChars: name.length,
    nameCharsHigh: 0,
    dataSizeBytes: data.length,
    dataSizeHigh: 0,
  });
  return Buffer.concat([header, Buffer.from(name, "utf16le"), data]);
}
