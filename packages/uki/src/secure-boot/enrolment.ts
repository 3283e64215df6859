import type { Guid } from "@cvm-build/bytes";
import type { NewVariable } from "./variable-store/writer.ts";
import { KEY_ATTRIBUTES, SECURE_BOOT_KEYS, type SecureBootKeyName, VARIABLE_ATTRIBUTES } from "./variables.ts";

/** Whether Secure Boot is on where there is a PK. @see EDK2, SecurityPkg/Include/Guid/AuthenticatedVariableFormat.h */
export const SECURE_BOOT_ENABLE = { name: "SecureBootEnable", vendor: "f0a30bc7-af08-4556-99c4-001009c93a44" as Guid };
/** Whether keys may be changed without a signature. @see as above */
const CUSTOM_MODE = { name: "CustomMode", vendor: "c076ec0c-7028-4399-a072-71ee5c448b9f" as Guid };

const { nonVolatile, bootServiceAccess } = VARIABLE_ATTRIBUTES;

/**
 * The variables of a machine whose keys are enrolled: EDK2's firmware has Secure Boot on from its first boot.
 * @param lists content of each variable
 * @param timestamp from which on firmware takes updates
 */
export function enrolledVariables(
  lists: Readonly<Partial<Record<SecureBootKeyName, Buffer>>>,
  timestamp: Date,
): NewVariable[] {
  const keys = Object.entries(lists).map(([name, data]) => {
    const vendor = SECURE_BOOT_KEYS[name as SecureBootKeyName];
    return { name, vendor, attributes: KEY_ATTRIBUTES, data, timestamp };
  });
  const attributes = nonVolatile | bootServiceAccess;
  return [
    ...keys,
    { ...SECURE_BOOT_ENABLE, attributes, data: Buffer.from([1]) },
    { ...CUSTOM_MODE, attributes, data: Buffer.from([0]) },
  ];
}
