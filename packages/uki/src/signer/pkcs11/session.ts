import { resolve } from "node:path";
import { ukiError } from "../../error.ts";
import { obtainSecret, readSecretFile } from "../secret.ts";
import type { SignerOptions } from "../options.ts";
import { CKF, CKR, CKS_USER, CKU, returnValueName } from "./cryptoki.ts";
import type { SessionInfo } from "./layout.ts";
import { CryptokiModule } from "./module.ts";
import { findToken, type Token } from "./token.ts";
import type { Pkcs11Uri } from "./uri.ts";

/** Environment variable that other programs take the library from, where no URI names one. */
const MODULE_VARIABLE = "PKCS11_MODULE_PATH";

const WRONG_PIN: readonly number[] = [CKR.pinIncorrect, CKR.pinInvalid, CKR.pinLenRange];

/** Sessions of this process by library and slot, since the last one logs out for all. */
const sessionsInUse = new Map<string, number>();

/** A session with a token. */
export class TokenSession {
  readonly module: CryptokiModule;
  readonly token: Token;
  readonly handle: number;
  readonly #uri: Pkcs11Uri;
  readonly #options: SignerOptions;
  #pin: Promise<string | null> | undefined;

  private constructor(
    module: CryptokiModule,
    { token, uri, options }: { token: Token; uri: Pkcs11Uri; options: SignerOptions },
  ) {
    this.module = module;
    this.token = token;
    this.#uri = uri;
    this.#options = options;
    [this.handle = 0] = module.numbers(1, (bytes) => {
      module.call("C_OpenSession", token.slot, CKF.serialSession, null, null, bytes);
      return 1;
    });
    sessionsInUse.set(this.#slotKey, (sessionsInUse.get(this.#slotKey) ?? 0) + 1);
  }

  /**
   * Opens a session with the token that a URI names.
   * @throws CvmError `signer` where there is no library, no such token, or more than one
   */
  static async open(uri: Pkcs11Uri, options: SignerOptions): Promise<TokenSession> {
    const path = uri.modulePath ?? options.environment[MODULE_VARIABLE];
    if (path === undefined) {
      throw ukiError("signer", "cannot use PKCS#11: expected a module, got none", {
        hint: `name one in the reference, ?module-path=/usr/lib/softhsm/libsofthsm2.so, or in ${MODULE_VARIABLE}`,
      });
    }
    const module = await CryptokiModule.open(resolve(options.directory, path));
    try {
      return new TokenSession(module, { token: findToken(module, uri), uri, options });
    } catch (error) {
      module.close();
      throw error;
    }
  }

  /**
   * Logs the user in, with one try, unless another session of this process has.
   * @throws CvmError `signer`
   */
  async login(): Promise<void> {
    if ((this.token.info.flags & CKF.tokenLoginRequired) === 0) return;
    const { state } = this.module.describe<SessionInfo>("C_GetSessionInfo", this.handle);
    if (!CKS_USER.includes(state)) this.authenticate(CKU.user, await this.pin());
  }

  /** The PIN, read or asked for once; null where the token itself asks. */
  pin(): Promise<string | null> {
    this.#pin ??= this.#obtainPin();
    return this.#pin;
  }

  /**
   * Gives the PIN to the token, once.
   * @throws CvmError `signer`
   */
  authenticate(user: number, pin: string | null): void {
    const bytes = pin === null ? null : Buffer.from(pin, "utf8");
    const value = this.module.attempt("C_Login", this.handle, user, bytes, bytes?.length ?? 0);
    bytes?.fill(0);
    if (value === CKR.ok || value === CKR.userAlreadyLoggedIn) return;
    const got = WRONG_PIN.includes(value) ? "another one" : returnValueName(value);
    throw ukiError("signer", `cannot log in to token "${this.token.label}": expected its PIN, got ${got}`, {
      hint: "it was tried once: a token counts wrong PINs and locks itself",
    });
  }

  /** Logs out where no other session of this process needs the login, and ends the session. */
  close(): void {
    const others = (sessionsInUse.get(this.#slotKey) ?? 1) - 1;
    sessionsInUse.set(this.#slotKey, others);
    if (others === 0) this.module.attempt("C_Logout", this.handle);
    this.module.attempt("C_CloseSession", this.handle);
    this.module.close();
  }

  async #obtainPin(): Promise<string | null> {
    if ((this.token.info.flags & CKF.tokenProtectedAuthenticationPath) !== 0) return null;
    const { pinSource } = this.#uri;
    if (pinSource === undefined) return obtainSecret(`PIN of token "${this.token.label}"`, this.#options);
    return readSecretFile(pinSource, { directory: this.#options.directory, what: "PIN file" });
  }

  get #slotKey(): string {
    return `${this.module.path}\0${this.token.slot}`;
  }
}
