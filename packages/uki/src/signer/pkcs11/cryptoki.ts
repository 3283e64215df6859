/**
 * Numbers of the Cryptographic Token Interface that are used here.
 * @see OASIS PKCS #11 Specification 3.1, section 8 and pkcs11t.h
 */
export const CKO = { certificate: 1, publicKey: 2, privateKey: 3, secretKey: 4 } as const;
/** Key types. */
export const CKK = { rsa: 0x00, ec: 0x03, ecEdwards: 0x40 } as const;
/** Attributes of objects. */
export const CKA = {
  class: 0x000,
  label: 0x003,
  value: 0x011,
  keyType: 0x100,
  id: 0x102,
  sign: 0x108,
  modulus: 0x120,
  publicExponent: 0x122,
  ecParams: 0x180,
  ecPoint: 0x181,
  alwaysAuthenticate: 0x202,
} as const;
/** Mechanisms. */
export const CKM = {
  rsaPkcs: 0x01,
  rsaPkcsWith: { sha256: 0x40, sha384: 0x41, sha512: 0x42 },
  ecdsa: 0x1041,
  eddsa: 0x1057,
} as const;
/** Users that log in. */
export const CKU = { user: 1, contextSpecific: 2 } as const;
/** Flags of sessions, tokens and mechanisms. */
export const CKF = {
  serialSession: 0x4,
  tokenLoginRequired: 0x4,
  tokenProtectedAuthenticationPath: 0x100,
  tokenInitialized: 0x400,
  mechanismSign: 0x800,
} as const;
/** Session states in which the user is logged in: read only and read-write. */
export const CKS_USER: readonly number[] = [1, 3];

/** Return values that something is made of. */
export const CKR = {
  ok: 0x000,
  pinIncorrect: 0x0a0,
  pinInvalid: 0x0a1,
  pinLenRange: 0x0a2,
  userAlreadyLoggedIn: 0x100,
} as const;

const CKR_NAMES: Readonly<Record<number, string>> = {
  0x02: "CKR_HOST_MEMORY",
  0x03: "CKR_SLOT_ID_INVALID",
  0x05: "CKR_GENERAL_ERROR",
  0x06: "CKR_FUNCTION_FAILED",
  0x07: "CKR_ARGUMENTS_BAD",
  0x11: "CKR_ATTRIBUTE_SENSITIVE",
  0x12: "CKR_ATTRIBUTE_TYPE_INVALID",
  0x20: "CKR_DATA_INVALID",
  0x21: "CKR_DATA_LEN_RANGE",
  0x30: "CKR_DEVICE_ERROR",
  0x31: "CKR_DEVICE_MEMORY",
  0x32: "CKR_DEVICE_REMOVED",
  0x50: "CKR_FUNCTION_CANCELED",
  0x54: "CKR_FUNCTION_NOT_SUPPORTED",
  0x60: "CKR_KEY_HANDLE_INVALID",
  0x63: "CKR_KEY_TYPE_INCONSISTENT",
  0x68: "CKR_KEY_FUNCTION_NOT_PERMITTED",
  0x70: "CKR_MECHANISM_INVALID",
  0x71: "CKR_MECHANISM_PARAM_INVALID",
  0xa0: "CKR_PIN_INCORRECT",
  0xa1: "CKR_PIN_INVALID",
  0xa2: "CKR_PIN_LEN_RANGE",
  0xa3: "CKR_PIN_EXPIRED",
  0xa4: "CKR_PIN_LOCKED",
  0xb0: "CKR_SESSION_CLOSED",
  0xb1: "CKR_SESSION_COUNT",
  0xb3: "CKR_SESSION_HANDLE_INVALID",
  0xe0: "CKR_TOKEN_NOT_PRESENT",
  0xe1: "CKR_TOKEN_NOT_RECOGNIZED",
  0x101: "CKR_USER_NOT_LOGGED_IN",
  0x102: "CKR_USER_PIN_NOT_INITIALIZED",
  0x103: "CKR_USER_TYPE_INVALID",
  0x104: "CKR_USER_ANOTHER_ALREADY_LOGGED_IN",
  0x190: "CKR_CRYPTOKI_NOT_INITIALIZED",
};

/** A return value by its name and number. */
export function returnValueName(value: number): string {
  const hex = `0x${value.toString(16)}`;
  const name = CKR_NAMES[value];
  return name === undefined ? hex : `${name} (${hex})`;
}

/**
 * Functions in the order of `CK_FUNCTION_LIST`, as far as the last that is used here.
 * @see OASIS PKCS #11 Specification 3.1, pkcs11f.h
 */
export const FUNCTIONS = [
  ...["C_Initialize", "C_Finalize", "C_GetInfo", "C_GetFunctionList", "C_GetSlotList", "C_GetSlotInfo"],
  ...["C_GetTokenInfo", "C_GetMechanismList", "C_GetMechanismInfo", "C_InitToken", "C_InitPIN", "C_SetPIN"],
  ...["C_OpenSession", "C_CloseSession", "C_CloseAllSessions", "C_GetSessionInfo", "C_GetOperationState"],
  ...["C_SetOperationState", "C_Login", "C_Logout", "C_CreateObject", "C_CopyObject", "C_DestroyObject"],
  ...["C_GetObjectSize", "C_GetAttributeValue", "C_SetAttributeValue", "C_FindObjectsInit", "C_FindObjects"],
  ...["C_FindObjectsFinal", "C_EncryptInit", "C_Encrypt", "C_EncryptUpdate", "C_EncryptFinal", "C_DecryptInit"],
  ...["C_Decrypt", "C_DecryptUpdate", "C_DecryptFinal", "C_DigestInit", "C_Digest", "C_DigestUpdate", "C_DigestKey"],
  ...["C_DigestFinal", "C_SignInit", "C_Sign"],
];
