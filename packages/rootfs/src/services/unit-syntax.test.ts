import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { readCommandLine, readUnit, readWords } from "./unit-reader.fixture.ts";
import { escapeText, formatUnit, quoteArgument, quoteWord } from "./unit-syntax.ts";

describe("quoteArgument", () => {
  it.each([
    ["/usr/bin/reth", "/usr/bin/reth"],
    ["--http.addr=0.0.0.0", "--http.addr=0.0.0.0"],
    ["", '""'],
    ["a b", '"a b"'],
    [";", '";"'],
    ["100%", '"100%%"'],
    ["$HOME ${HOME}", '"$$HOME $${HOME}"'],
    ['say "x\\y"', '"say \\"x\\\\y\\""'],
    ["a\nExecStart=/bin/sh", '"a\\nExecStart=/bin/sh"'],
    ["\u0001\u007f", '"\\x01\\x7f"'],
    ["\u2028", '"\\xe2\\x80\\xa8"'],
    ["é", '"é"'],
  ])("%j becomes %s", (argument, quoted) => {
    expect(quoteArgument(argument)).toBe(quoted);
  });

  it.each(["a\0b", "\ud800"])("refuses %j", (argument) => {
    expect(() => quoteArgument(argument)).toThrow("expected text without control characters");
  });
});

describe("escapeText", () => {
  it("doubles percent signs", () => expect(escapeText("100 % of it")).toBe("100 %% of it"));
  it.each(["a\nb", "tab\t", "ends with \\", "\u0085", "\ud800"])("refuses %j", (text) => {
    expect(() => escapeText(text)).toThrow("cannot write");
  });
});

describe("no text", () => {
  const text = fc
    .oneof(
      fc.string({ unit: "binary" }),
      fc.string({
        unit: fc.constantFrom("%", "$", "{", "}", "\\", '"', "'", " ", "\n", ";", "#", "a", "=", "[", "]", "@"),
      }),
    )
    .filter((value) => !value.includes("\0"));

  it("changes what systemd passes on, or adds a setting", () => {
    fc.assert(
      fc.property(fc.array(text, { minLength: 1, maxLength: 5 }), text, (args, value) => {
        const unit = formatUnit("test", [
          {
            name: "Service",
            settings: [
              ["ExecStart", ["/usr/bin/x", ...args].map(quoteArgument).join(" ")],
              ["Environment", quoteWord(`KEY=${value}`)],
              ["Type", "exec"],
            ],
          },
        ]);
        const settings = readUnit(unit);
        expect(settings.map(([section, name]) => `${section}.${name}`)).toEqual([
          "Service.ExecStart",
          "Service.Environment",
          "Service.Type",
        ]);
        expect(readCommandLine(settings[0]![2])).toEqual(["/usr/bin/x", ...args]);
        expect(readWords(settings[1]![2])).toEqual([`KEY=${value}`]);
      }),
      { seed: 6, numRuns: 2000 },
    );
  });
});
