/** How the text of a value is wrong; the reader that knows its place makes an error of it. Never leaves the package. */
export class ValueFault extends Error {
  override readonly name = "ValueFault";
  readonly expected: string;
  readonly got: string;
  readonly hint: string | undefined;
  /** Set where mkosi takes the value and cvm-build does not: what to write instead. */
  readonly useInstead: string | undefined;

  constructor(expected: string, got: string, more: { hint?: string | undefined; useInstead?: string } = {}) {
    super(`expected ${expected}, got ${got}`);
    this.expected = expected;
    this.got = got;
    this.hint = more.hint;
    this.useInstead = more.useInstead;
  }
}
