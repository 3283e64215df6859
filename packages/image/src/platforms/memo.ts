/** Results that predictions share which differ in little: a matrix of machines asks the same of image and firmware often. */
export class Memo {
  readonly #results = new Map<string, unknown>();

  /** The result of the first `make` with this key. */
  once<T>(key: string, make: () => T): T {
    if (!this.#results.has(key)) this.#results.set(key, make());
    return this.#results.get(key) as T;
  }
}
