import type { Guid } from "@cvm-build/bytes";

/** Vendors of the variables that Secure Boot reads. @see UEFI Specification, sections 3.3 and 32.4.1 */
export const EFI_GLOBAL_VARIABLE: Guid = "8be4df61-93ca-11d2-aa0d-00e098032b8c";
export const EFI_IMAGE_SECURITY_DATABASE: Guid = "d719b2cb-3d3a-4596-a3bc-dad00e67656f";

/** Variables whose content is signature lists, each with its vendor, in the order in which firmware measures them. */
export const SECURE_BOOT_KEYS = {
  PK: EFI_GLOBAL_VARIABLE,
  KEK: EFI_GLOBAL_VARIABLE,
  db: EFI_IMAGE_SECURITY_DATABASE,
  dbx: EFI_IMAGE_SECURITY_DATABASE,
  dbt: EFI_IMAGE_SECURITY_DATABASE,
  dbr: EFI_IMAGE_SECURITY_DATABASE,
} as const satisfies Record<string, Guid>;
/** Name of a variable whose content is signature lists. */
export type SecureBootKeyName = keyof typeof SECURE_BOOT_KEYS;

/** Attributes of a variable. @see UEFI Specification, section 8.2, "Variable Services", `GetVariable()` */
export const VARIABLE_ATTRIBUTES = {
  nonVolatile: 0x01,
  bootServiceAccess: 0x02,
  runtimeAccess: 0x04,
  timeBasedAuthenticatedWriteAccess: 0x20,
  appendWrite: 0x40,
} as const;

/** Attributes of PK, KEK, db and dbx. @see UEFI Specification, section 32.3, "Firmware/OS Key Exchange" */
export const KEY_ATTRIBUTES =
  VARIABLE_ATTRIBUTES.nonVolatile |
  VARIABLE_ATTRIBUTES.bootServiceAccess |
  VARIABLE_ATTRIBUTES.runtimeAccess |
  VARIABLE_ATTRIBUTES.timeBasedAuthenticatedWriteAccess;
