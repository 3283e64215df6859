import { isAbsolute, resolve } from "node:path";
import { quoteText } from "./error.ts";
import { didYouMean } from "./suggest.ts";
import { ValueFault } from "./value-fault.ts";

/** What reading a value needs to know of its surroundings. */
export interface ValueContext {
  /** Absolute directory that relative paths start from. */
  base: string;
  /** Looks up a variable of the caller that `PassEnvironment=` lists. @throws ValueFault if it does not or it is unset */
  variable(name: string): string;
  /** Tells whether something is at an absolute path. */
  exists(path: string): boolean;
}

/** How one item of a value is read and shown. */
export interface ItemKind<T> {
  /** Completes `expected …`. */
  expected: string;
  /** @throws ValueFault */
  parse(text: string, context: ValueContext): T;
  /** Formats for `summary` and for matching. */
  format(value: T): string;
  /** For a closed set: every spelling that `[Match]` may ask for, those of mkosi that are not supported included. */
  spellings?: readonly string[];
}

/** mkosi's spellings of yes, in lower case. */
export const YES = ["1", "true", "yes", "y", "t", "on", "always"];
/** mkosi's spellings of no, in lower case. */
export const NO = ["0", "false", "no", "n", "f", "off", "never"];

/** Reads a boolean in mkosi's spellings, or gives undefined. */
export function parseBoolean(text: string): boolean | undefined {
  const lower = text.toLowerCase();
  return YES.includes(lower) ? true : NO.includes(lower) ? false : undefined;
}

/** A boolean: yes or no in any of mkosi's spellings. */
export const boolean: ItemKind<boolean> = {
  expected: "a boolean such as yes or no",
  parse(text) {
    const value = parseBoolean(text);
    if (value === undefined) throw new ValueFault(this.expected, quoteText(text));
    return value;
  },
  format: (value) => (value ? "yes" : "no"),
};

/** A boolean or `auto`. */
export const feature: ItemKind<boolean | "auto"> = {
  expected: "a boolean such as yes or no, or auto",
  parse(text) {
    const value = text.toLowerCase() === "auto" ? "auto" : parseBoolean(text);
    if (value === undefined) throw new ValueFault(this.expected, quoteText(text));
    return value;
  },
  format: (value) => (value === "auto" ? value : boolean.format(value)),
};

/** A boolean or feature of mkosi's where cvm-build can only do one thing: the other is refused with what to do instead. */
export function only<T extends boolean | "auto">(
  kind: ItemKind<T>,
  allowed: { not: T; useInstead: string },
): ItemKind<T> {
  return {
    ...kind,
    parse(text, context) {
      const value = kind.parse(text, context);
      if (value === allowed.not) {
        throw new ValueFault(`anything but ${kind.format(value)}`, quoteText(text), { useInstead: allowed.useInstead });
      }
      return value;
    },
  };
}

/** A value out of a closed set. `known` are mkosi's further values, refused with what to use instead. */
export function choice<T extends string>(
  values: readonly T[],
  more: { spellings?: Readonly<Record<string, T>>; known?: readonly string[]; useInstead?: string } = {},
): ItemKind<T> {
  const meaning = new Map<string, T>([
    ...values.map((value): [string, T] => [value, value]),
    ...Object.entries(more.spellings ?? {}),
  ]);
  const expected = values.length === 1 ? values[0]! : `one of ${values.join(", ")}`;
  return {
    expected,
    spellings: [...meaning.keys(), ...(more.known ?? [])],
    parse(text) {
      const value = meaning.get(text);
      if (value !== undefined) return value;
      if (more.known?.includes(text)) {
        throw new ValueFault(expected, quoteText(text), {
          useInstead: more.useInstead ?? `use ${values.join(" or ")}`,
        });
      }
      throw new ValueFault(expected, quoteText(text), { hint: didYouMean(text, meaning.keys()) });
    },
    format: (value) => value,
  };
}

/** Gives further spellings of one value of a choice. */
export function spell<T extends string>(value: T, spellings: readonly string[]): Record<string, T> {
  return Object.fromEntries(spellings.map((spelling) => [spelling, value]));
}

/** Text that may be limited to a pattern. A value wholly in quotes that holds a `#` loses the quotes. */
export function textItem(expected = "text", pattern = /^[^\0]*$/): ItemKind<string> {
  return {
    expected,
    parse(written) {
      const value = /^(["'])(?=.*#)[^]*\1$/.test(written) ? written.slice(1, -1) : written;
      if (!pattern.test(value)) throw new ValueFault(expected, quoteText(written));
      return value;
    },
    format: (value) => value,
  };
}

/** A whole number within bounds, both inclusive. */
export function integer(least: number, most: number): ItemKind<number> {
  const expected = `a whole number ${least}..${most}`;
  return {
    expected,
    parse(text) {
      const value = /^[0-9]{1,15}$/.test(text) ? Number(text) : Number.NaN;
      if (!(value >= least && value <= most)) throw new ValueFault(expected, quoteText(text));
      return value;
    },
    format: String,
  };
}

const RANDOM_IS_REFUSED = "write the identifier out: a random one makes every build differ";
const UUID = /^\{?[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}\}?$/i;

/** A UUID in any common spelling, given back in lower case, `separator` between its groups. */
export function uuid(separator: "-" | ""): ItemKind<string> {
  return {
    expected: "a UUID such as 0d2c4a4e-8a0c-4b1f-9a3e-0f4f7d3c1b2a",
    parse(text) {
      if (text === "random") throw new ValueFault(this.expected, "random", { useInstead: RANDOM_IS_REFUSED });
      if (!UUID.test(text)) throw new ValueFault(this.expected, quoteText(text));
      const digits = text.toLowerCase().replaceAll(/[^0-9a-f]/g, "");
      return digits.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, ["$1", "$2", "$3", "$4", "$5"].join(separator));
    },
    format: (value) => value,
  };
}

/** A path on the building machine, made absolute. The caller's home and variables are not looked at unless listed. */
export const path: ItemKind<string> = {
  expected: "a path",
  parse: parsePath,
  format: (value) => value,
};

/** A path on the building machine that must be there. */
export const existingPath: ItemKind<string> = {
  expected: "a path that exists",
  parse(text, context) {
    const value = parsePath(text, context);
    if (!context.exists(value))
      throw new ValueFault(this.expected, quoteText(text), { hint: `nothing is at ${value}` });
    return value;
  },
  format: (value) => value,
};

/** A file or directory of the building machine, and where it goes in the image: `source[:target]`. */
export const tree: ItemKind<{ source: string; target: string }> = {
  expected: "source or source:/absolute/target",
  parse(text, context) {
    const colon = text.indexOf(":");
    const target = colon === -1 ? "/" : text.slice(colon + 1);
    if (!isImagePath(target)) throw new ValueFault("an absolute target in the image", quoteText(target));
    return { source: existingPath.parse(colon === -1 ? text : text.slice(0, colon), context), target };
  },
  format: ({ source, target }) => (target === "/" ? source : `${source}:${target}`),
};

/** A package as its distribution names it, or the path of a package file. */
export const packageName: ItemKind<string> = {
  expected: "a package such as bash, bash=5.2.37-2, libssl3t64:amd64 or ./bash.deb",
  parse(text, context) {
    if (/^\.{0,2}\/|\/.*\.deb$/.test(text)) return existingPath.parse(text, context);
    if (!/^[A-Za-z0-9*?[][A-Za-z0-9+.*?[\]!-]*(:[a-z0-9-]+)?(=[A-Za-z0-9.+~:-]+)?$/.test(text)) {
      throw new ValueFault(this.expected, quoteText(text));
    }
    return text;
  },
  format: (value) => value,
};

/** Tells whether a path is absolute, without `..`, `.` or empty parts: one that means the same in every image. */
export function isImagePath(text: string): boolean {
  return text === "/" || /^(\/(?!\.{1,2}(\/|$))[^/\0\n]+)+\/?$/.test(text);
}

/** An absolute path in the image. */
export const imagePath: ItemKind<string> = {
  expected: "an absolute path in the image",
  parse(text) {
    if (!isImagePath(text)) throw new ValueFault(this.expected, quoteText(text));
    return text;
  },
  format: (value) => value,
};

/** A password in mkosi's spelling; given back as the crypt(3) hash alone. */
export const rootPassword: ItemKind<string> = {
  expected: "hashed:HASH",
  parse(text) {
    const hash = /^hashed:([!-9;-~]*)$/.exec(text)?.[1];
    if (hash !== undefined) return hash;
    throw new ValueFault(this.expected, text.startsWith("hashed:") ? "a malformed hash" : "a password in clear", {
      useInstead:
        "write RootPassword=hashed:HASH with the output of `openssl passwd -6`; `hashed:` alone means no password",
    });
  },
  // The hash is in the image for everyone to read, and still nobody's business on a screen.
  format: (value) => (value === "" ? "hashed: (no password)" : "hashed:…"),
};

function parsePath(text: string, context: ValueContext): string {
  if (text.startsWith("~")) {
    throw new ValueFault("a path without ~", quoteText(text), { hint: "the caller's home directory is not looked at" });
  }
  const expanded = text.replaceAll(/\$(?:([A-Za-z_][A-Za-z0-9_]*)|\{([A-Za-z_][A-Za-z0-9_]*)\})/g, (_, bare, braced) =>
    context.variable(bare ?? braced),
  );
  if (expanded.includes("\0")) throw new ValueFault("a path", quoteText(text));
  return isAbsolute(expanded) ? resolve(expanded) : resolve(context.base, expanded);
}
