import { FUNCTIONS } from "./cryptoki.ts";

/** The foreign function library, loaded where a token is used. */
export type Koffi = typeof import("koffi");
type NativeType = Parameters<Koffi["sizeof"]>[0];

/** A function that is used. */
export type FunctionName =
  | "C_Initialize"
  | "C_Finalize"
  | "C_GetInfo"
  | "C_GetSlotList"
  | "C_GetSlotInfo"
  | "C_GetTokenInfo"
  | "C_GetMechanismInfo"
  | "C_OpenSession"
  | "C_CloseSession"
  | "C_GetSessionInfo"
  | "C_Login"
  | "C_Logout"
  | "C_GetAttributeValue"
  | "C_FindObjectsInit"
  | "C_FindObjects"
  | "C_FindObjectsFinal"
  | "C_SignInit"
  | "C_Sign";

/** What the library says of itself. */
export interface LibraryInfo {
  manufacturerID: Uint8Array;
  libraryDescription: Uint8Array;
  libraryVersion: Uint8Array;
}
/** What a slot says of itself. */
export interface SlotInfo {
  slotDescription: Uint8Array;
  manufacturerID: Uint8Array;
}
/** What a token says of itself. */
export interface TokenInfo {
  label: Uint8Array;
  manufacturerID: Uint8Array;
  model: Uint8Array;
  serialNumber: Uint8Array;
  flags: number;
}
/** What a token can do by a mechanism. */
export interface MechanismInfo {
  flags: number;
}
/** The state of a session. */
export interface SessionInfo {
  state: number;
}
/** An attribute of a template, or one that is asked for. */
export interface Attribute {
  type: number;
  pValue: Uint8Array | null;
  ulValueLen: number | bigint;
}

/** Types of the library's functions. */
export interface NativeTypes {
  /** `CK_FUNCTION_LIST`, with a pointer by the name of each function. */
  functionList: NativeType;
  /** Of what types a function's arguments are; each returns `CK_RV`, an unsigned long. */
  arguments: Readonly<Record<FunctionName, NativeType[]>>;
}

/**
 * Makes the types of the library's functions and structures, laid out as the platform's C compiler does it: on Unix nothing
 * is packed, and `CK_ULONG` is `unsigned long`.
 * @see OASIS PKCS #11 Specification 3.1, section 2.1 and pkcs11t.h
 */
export function nativeTypes(koffi: Koffi): NativeTypes {
  const bytes = (length: number) => koffi.array("uint8_t", length);
  const out = (type: string | ReturnType<Koffi["struct"]>) => koffi.out(koffi.pointer(type));
  const [pointer, ulong] = ["void *", "ulong"];
  const libraryInfo = koffi.struct({
    cryptokiVersion: bytes(2),
    manufacturerID: bytes(32),
    flags: ulong,
    libraryDescription: bytes(32),
    libraryVersion: bytes(2),
  });
  const slotInfo = koffi.struct({
    slotDescription: bytes(64),
    manufacturerID: bytes(32),
    flags: ulong,
    versions: bytes(4),
  });
  const tokenInfo = koffi.struct({
    label: bytes(32),
    manufacturerID: bytes(32),
    model: bytes(16),
    serialNumber: bytes(16),
    flags: ulong,
    limits: koffi.array(ulong, 10),
    versions: bytes(4),
    utcTime: bytes(16),
  });
  const mechanismInfo = koffi.struct({ minKeySize: ulong, maxKeySize: ulong, flags: ulong });
  const sessionInfo = koffi.struct({ slotID: ulong, state: ulong, flags: ulong, deviceError: ulong });
  const attribute = koffi.struct({ type: ulong, pValue: pointer, ulValueLen: ulong });
  const mechanism = koffi.struct({ mechanism: ulong, pParameter: pointer, ulParameterLen: ulong });
  return {
    functionList: koffi.struct({
      version: bytes(2),
      ...Object.fromEntries(FUNCTIONS.map((name) => [name, pointer])),
    }),
    arguments: {
      C_Initialize: [pointer],
      C_Finalize: [pointer],
      C_GetInfo: [out(libraryInfo)],
      C_GetSlotList: ["uint8_t", pointer, koffi.inout(koffi.pointer(ulong))],
      C_GetSlotInfo: [ulong, out(slotInfo)],
      C_GetTokenInfo: [ulong, out(tokenInfo)],
      C_GetMechanismInfo: [ulong, ulong, out(mechanismInfo)],
      C_OpenSession: [ulong, ulong, pointer, pointer, out(ulong)],
      C_CloseSession: [ulong],
      C_GetSessionInfo: [ulong, out(sessionInfo)],
      C_Login: [ulong, ulong, pointer, ulong],
      C_Logout: [ulong],
      C_GetAttributeValue: [ulong, ulong, koffi.inout(koffi.pointer(attribute)), ulong],
      C_FindObjectsInit: [ulong, koffi.pointer(attribute), ulong],
      C_FindObjects: [ulong, pointer, ulong, out(ulong)],
      C_FindObjectsFinal: [ulong],
      C_SignInit: [ulong, koffi.pointer(mechanism), ulong],
      C_Sign: [ulong, pointer, ulong, pointer, koffi.inout(koffi.pointer(ulong))],
    },
  };
}
