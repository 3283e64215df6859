import { describe, expect, it } from "vitest";
import { codeOnly, sourceFiles } from "./sources.ts";

/** What would let the machine into the bytes, or output into the wrong place; and who is the edge that may. */
const BANNED: readonly { pattern: RegExp; why: string; except?: readonly string[] }[] = [
  { pattern: /\bconsole\./, why: "nothing below cli prints", except: ["cli"] },
  { pattern: /\bDate\.now\(|\bnew Date\(\)/, why: "the clock enters at the edge", except: ["cli"] },
  { pattern: /\bMath\.random\(|\brandomUUID\(/, why: "randomness enters at the edge", except: ["cli"] },
  {
    pattern: /\bprocess\.(env|argv|cwd\(|stdout|stderr|stdin|exit)/,
    why: "the process belongs to cli",
    except: ["cli"],
  },
  { pattern: /\blocaleCompare\(|\btoLocale|\bIntl\./, why: "locales differ", except: ["cli"] },
  { pattern: /\bfetch\(/, why: "the store is the only network user", except: ["store", "image", "plugins/service"] },
  {
    pattern: /\bfrom "node:(http|https|net|tls|dgram)"/,
    why: "the store is the only network user",
    except: ["store", "vm"],
  },
  { pattern: /@ts-ignore|@ts-nocheck/, why: "types are checked" },
];

/** Names that say nothing. */
const BANNED_FILES = /(^|\/)(utils?|common|helpers?|misc|types)(\/|\.ts$)/;

describe("code", () => {
  it.each(sourceFiles().map((file) => [file.path, file] as const))("%s", (path, file) => {
    expect(path).not.toMatch(BANNED_FILES);
    if (file.isTest) return;
    const code = codeOnly(file.text);
    for (const { pattern, why, except } of BANNED) {
      if (except?.includes(file.package)) continue;
      expect(pattern.exec(code)?.[0], why).toBeUndefined();
    }
    expect(file.text, "marks left behind").not.toMatch(/\b(TODO|FIXME|XXX)\b/);
  });

  it("names no mirror or registry that a machine of ours happens to use", () => {
    const hosts = /deb\.debian[.]org|registry\.npmjs[.]org/;
    for (const file of sourceFiles()) expect(file.text, file.path).not.toMatch(hosts);
  });
});
