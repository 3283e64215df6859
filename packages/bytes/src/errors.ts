/** What an error carries beside its code and message. */
export interface CvmErrorOptions {
  /** The next thing to try, one sentence or a command. */
  hint?: string;
  cause?: unknown;
  /** Values for machines: file, line, setting, package, expected, found. JSON only. */
  details?: Readonly<Record<string, unknown>>;
}

/**
 * An error that a user can cause and mend. The message follows one grammar:
 * `cannot <verb> <object> "<name>": expected X, got Y`, lower case, no full stop.
 */
export class CvmError<Code extends string = string> extends Error {
  override readonly name: string = "CvmError";
  readonly code: Code;
  readonly hint: string | undefined;
  readonly details: Readonly<Record<string, unknown>>;

  constructor(code: Code, message: string, options: CvmErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.hint = options.hint;
    this.details = options.details ?? {};
  }
}

/** Where in foreign bytes a decoder stopped. */
export interface FormatErrorPlace {
  /** The record or format, as its specification names it. */
  record: string;
  field?: string;
  /** Offset from the start of the decoded object, in bytes. */
  offsetBytes?: number;
}

/** Foreign bytes that are not what they claim to be. Decoders of foreign bytes throw nothing else. */
export class FormatError extends CvmError<"format"> {
  override readonly name = "FormatError";
  readonly record: string;
  readonly field: string | undefined;
  readonly offsetBytes: number | undefined;

  constructor(place: FormatErrorPlace, expectation: string, options: CvmErrorOptions = {}) {
    super("format", `cannot decode ${describePlace(place)}: ${expectation}`, {
      ...options,
      details: { ...options.details, ...place },
    });
    this.record = place.record;
    this.field = place.field;
    this.offsetBytes = place.offsetBytes;
  }
}

/**
 * States what must hold unless cvm-build itself is wrong. Never caught below `cli`.
 * @throws Error when `condition` is false
 */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new Error(`internal error: ${message}`);
}

function describePlace({ record, field, offsetBytes }: FormatErrorPlace): string {
  const name = field === undefined ? record : `${record}.${field}`;
  return offsetBytes === undefined ? name : `${name} at 0x${offsetBytes.toString(16)}`;
}
