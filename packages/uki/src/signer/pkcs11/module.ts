import { realpathSync } from "node:fs";
import type { LibraryHandle } from "koffi";
import { ukiError } from "../../error.ts";
import { CKR, returnValueName } from "./cryptoki.ts";
import { type FunctionName, type Koffi, nativeTypes } from "./layout.ts";

type NativeFunction = (...args: unknown[]) => number | bigint;

interface LoadedLibrary {
  /** Whose collection would unload the library. */
  handle: LibraryHandle;
  functions: Readonly<Record<FunctionName, NativeFunction>>;
}

/**
 * Libraries that were loaded, by real path: one has one state in a process however often it is opened. They stay loaded,
 * since a handle that is collected takes its library's code away under the functions.
 */
const loadedModules = new Map<string, CryptokiModule>();

/** A PKCS#11 library. Its functions are called as they are. */
export class CryptokiModule {
  readonly path: string;
  readonly #koffi: Koffi;
  readonly #library: LoadedLibrary;
  #users = 0;

  private constructor(path: string, koffi: Koffi) {
    this.path = path;
    this.#koffi = koffi;
    this.#library = loadLibrary(koffi, path);
  }

  /**
   * Loads and initialises a library, or takes it as another user in this process has it.
   * @throws CvmError `signer` where it is not there or no such library
   */
  static async open(path: string): Promise<CryptokiModule> {
    const koffi = await importKoffi();
    const real = realPath(path);
    const module = loadedModules.get(real) ?? new CryptokiModule(real, koffi);
    loadedModules.set(real, module);
    if (module.#users === 0) module.call("C_Initialize", null);
    module.#users++;
    return module;
  }

  /** Finalises the library where nobody else in this process uses it. */
  close(): void {
    this.#users--;
    if (this.#users === 0) this.attempt("C_Finalize", null);
  }

  /**
   * Calls a function that must succeed.
   * @throws CvmError `signer` with the name of the return value
   */
  call(name: FunctionName, ...args: unknown[]): void {
    const value = this.attempt(name, ...args);
    if (value === CKR.ok) return;
    const got = returnValueName(value);
    throw ukiError("signer", `cannot use PKCS#11 module "${this.path}": expected ${name} to succeed, got ${got}`);
  }

  /** Calls a function and returns its return value. */
  attempt(name: FunctionName, ...args: unknown[]): number {
    return Number(this.#library.functions[name](...args));
  }

  /** Calls a function whose last argument is a structure that it fills. */
  describe<T>(name: FunctionName, ...args: unknown[]): T {
    const info = {};
    this.call(name, ...args, info);
    return info as T;
  }

  /**
   * Calls a function that fills an array of `CK_ULONG`.
   * @param fill gets the array's bytes and says how many of its numbers are filled
   */
  numbers(most: number, fill: (bytes: Buffer) => number | bigint): number[] {
    const size = this.#koffi.sizeof("ulong");
    const bytes = Buffer.alloc(size * most);
    const count = Math.min(most, Number(fill(bytes)));
    return Array.from({ length: count }, (_, index) => Number(this.#koffi.decode(bytes, size * index, "ulong")));
  }

  /** Encodes a `CK_ULONG`. */
  encodeNumber(value: number): Buffer {
    const bytes = Buffer.alloc(this.#koffi.sizeof("ulong"));
    this.#koffi.encode(bytes, "ulong", value);
    return bytes;
  }

  /** Decodes a `CK_ULONG`; undefined where the bytes are none. */
  decodeNumber(bytes: Buffer | undefined): number | undefined {
    return bytes?.length === this.#koffi.sizeof("ulong") ? Number(this.#koffi.decode(bytes, "ulong")) : undefined;
  }
}

async function importKoffi(): Promise<Koffi> {
  try {
    return await import("koffi");
  } catch (cause) {
    throw ukiError("signer", 'cannot use PKCS#11: expected the package "koffi", got none for this machine', {
      cause,
      hint: "pnpm install without --no-optional, or sign with command:PROGRAM",
    });
  }
}

function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch (cause) {
    throw ukiError("signer", `cannot load PKCS#11 module "${path}": expected a library, got no such file`, {
      cause,
      hint: "name it in the reference: ?module-path=/usr/lib/softhsm/libsofthsm2.so",
    });
  }
}

function loadLibrary(koffi: Koffi, path: string): LoadedLibrary {
  const types = nativeTypes(koffi);
  try {
    const listPointer = koffi.out(koffi.pointer(koffi.pointer(types.functionList)));
    const handle = koffi.load(path);
    const getFunctionList = handle.func("C_GetFunctionList", "ulong", [listPointer]);
    const pointers: unknown[] = [null];
    const value = Number(getFunctionList(pointers));
    if (value !== CKR.ok) throw new Error(returnValueName(value));
    const list = koffi.decode(pointers[0], types.functionList) as Record<string, unknown>;
    const functions = Object.entries(types.arguments).map(([name, args]) => [
      name,
      koffi.decode(list[name], koffi.proto("ulong", args)) as NativeFunction,
    ]);
    return { handle, functions: Object.fromEntries(functions) as LoadedLibrary["functions"] };
  } catch (cause) {
    const got = cause instanceof Error ? cause.message : String(cause);
    throw ukiError("signer", `cannot load PKCS#11 module "${path}": expected a PKCS#11 library, got: ${got}`, {
      cause,
    });
  }
}
