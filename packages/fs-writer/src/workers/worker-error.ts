import { CvmError, FormatError, type FormatErrorPlace } from "@cvm-build/bytes";

/** An error as plain data that survives the way between threads. */
export interface WorkerError {
  kind: "format" | "cvm" | "other";
  name: string;
  message: string;
  stack: string | undefined;
  hint: string | undefined;
  details: Readonly<Record<string, unknown>>;
  /** `code`, `errno`, `syscall` and `path` of system errors; the code of a `CvmError`. */
  properties: Readonly<Record<string, string | number>>;
  place: FormatErrorPlace | undefined;
  cause: WorkerError | undefined;
}

/** How many causes of causes are carried over. */
const MAX_CAUSES = 8;
const SYSTEM_PROPERTIES = ["code", "errno", "syscall", "path", "dest"] as const;

/** Takes an error apart for another thread. */
export function encodeWorkerError(error: unknown, depth = 0): WorkerError {
  const thrown = error instanceof Error ? error : new Error(String(error));
  const isOurs = thrown instanceof CvmError;
  return {
    kind: thrown instanceof FormatError ? "format" : isOurs ? "cvm" : "other",
    name: thrown.name,
    message: thrown.message,
    stack: thrown.stack,
    hint: isOurs ? thrown.hint : undefined,
    details: isOurs ? plainDetails(thrown.details) : {},
    properties: systemProperties(thrown),
    place: thrown instanceof FormatError ? placeOf(thrown) : undefined,
    cause: thrown.cause === undefined || depth >= MAX_CAUSES ? undefined : encodeWorkerError(thrown.cause, depth + 1),
  };
}

/** The error as it was thrown: the same class, code, message, hint, details and place. */
export function reviveWorkerError(encoded: WorkerError): Error {
  const cause = encoded.cause && reviveWorkerError(encoded.cause);
  const error = reviveClass(encoded, cause);
  if (encoded.stack !== undefined) error.stack = encoded.stack;
  return error;
}

function reviveClass(encoded: WorkerError, cause: Error | undefined): Error {
  const options = {
    details: encoded.details,
    ...(encoded.hint === undefined ? {} : { hint: encoded.hint }),
    ...(cause === undefined ? {} : { cause }),
  };
  if (encoded.kind === "format" && encoded.place) {
    const prefix = new FormatError(encoded.place, "").message;
    return new FormatError(encoded.place, encoded.message.slice(prefix.length), options);
  }
  if (encoded.kind === "cvm") return new CvmError(String(encoded.properties["code"]), encoded.message, options);
  const other = new Error(encoded.message, cause === undefined ? undefined : { cause });
  other.name = encoded.name;
  return Object.assign(other, encoded.properties);
}

function placeOf(error: FormatError): FormatErrorPlace {
  return {
    record: error.record,
    ...(error.field === undefined ? {} : { field: error.field }),
    ...(error.offsetBytes === undefined ? {} : { offsetBytes: error.offsetBytes }),
  };
}

function systemProperties(error: Error): Record<string, string | number> {
  const found: Record<string, string | number> = {};
  for (const name of SYSTEM_PROPERTIES) {
    const value: unknown = Reflect.get(error, name);
    if (typeof value === "string" || typeof value === "number") found[name] = value;
  }
  return found;
}

/** Details are JSON by contract; what is not cannot be allowed to break the message. */
function plainDetails(details: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return JSON.parse(JSON.stringify(details)) as Record<string, unknown>;
}
