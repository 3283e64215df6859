import { StoreError, type StoreErrorCode } from "../errors.ts";
import { TransportError } from "./transport.ts";

/** An attempt that brought bytes, but not those that were asked for. */
export class WrongBytes extends Error {
  readonly code: "digest-mismatch" | "size-mismatch";
  readonly url: string;
  readonly expected: string;
  readonly got: string;

  constructor(
    code: "digest-mismatch" | "size-mismatch",
    { url, expected, got }: { url: string; expected: string; got: string },
  ) {
    super(`${got} from ${url}`);
    this.code = code;
    this.url = url;
    this.expected = expected;
    this.got = got;
  }
}

/** Why one address did not do. */
export type AttemptFailure = TransportError | WrongBytes;

/** What is being fetched, as messages name it. */
export interface Wanted {
  /** A noun: package, artifact, index. */
  kind: string;
  name: string;
  /** The digest that identifies it, where there is one: `SHA-256 …`. */
  digest?: string;
  /** What to try when it cannot be had. */
  hint?: string;
  /** Turns the summary into an error that says more, where the caller knows more. */
  explain?: (error: StoreError, failures: readonly AttemptFailure[]) => StoreError;
}

/**
 * One error for all the addresses that were tried. Wrong bytes outweigh everything, since they may be an attack; then
 * servers that nobody reaches, since they might have it; "not found" is said only if everybody says so.
 */
export function summarise(failures: readonly AttemptFailure[], wanted: Wanted): StoreError {
  const error = summaryOf(failures, wanted);
  return wanted.explain?.(error, failures) ?? error;
}

function summaryOf(failures: readonly AttemptFailure[], { kind, name, digest, hint }: Wanted): StoreError {
  const tried = failures.map(
    (failure) => `${failure.message}${failure instanceof WrongBytes ? "" : ` (${failure.url})`}`,
  );
  const options = {
    hint: hint ?? "check the network, or name another mirror with Mirror=",
    cause: failures[0],
    details: {
      ...(digest !== undefined && { digest }),
      attempts: failures.map((failure) => ({ url: failure.url, reason: failure.message })),
    },
  };
  const wrong = failures.find((failure) => failure instanceof WrongBytes);
  if (wrong !== undefined) {
    return new StoreError(
      wrong.code,
      `cannot fetch ${kind} "${name}": expected ${wrong.expected}, got ${wrong.message}`,
      options,
    );
  }
  const code: StoreErrorCode = failures.every((failure) => (failure as TransportError).fault === "not-found")
    ? "not-found"
    : "unreachable";
  const expected = digest === undefined ? "an address that has it" : `an address that has ${digest}`;
  return new StoreError(code, `cannot fetch ${kind} "${name}": expected ${expected}, got ${tried.join("; ")}`, options);
}
