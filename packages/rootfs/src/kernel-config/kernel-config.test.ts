import { FormatError } from "@cvm-build/bytes";
import { describe, expect, it } from "vitest";
import { parseKernelConfig } from "./kernel-config.ts";

const parse = (text: string): Record<string, string> => Object.fromEntries(parseKernelConfig(Buffer.from(text)));

describe("a kernel's configuration", () => {
  it("is what is set, the last word counting", () => {
    const text = `#
# Automatically generated file; DO NOT EDIT.
# Linux/x86 6.12.117 Kernel Configuration
#
CONFIG_CC_VERSION_TEXT="gcc \\"14\\" (Debian 14.2.0-19)"
CONFIG_EROFS_FS=m
CONFIG_MD=y
# CONFIG_DM_INIT is not set
CONFIG_HZ=250
CONFIG_RANDOM_OFFSET=-1
CONFIG_PHYSICAL_START=0x1000000
CONFIG_OFF=n
CONFIG_TWICE=m\r
  CONFIG_TWICE=y
CONFIG_GONE=y
# CONFIG_GONE is not set
`;
    expect(parse(text)).toEqual({
      CC_VERSION_TEXT: 'gcc "14" (Debian 14.2.0-19)',
      EROFS_FS: "m",
      MD: "y",
      HZ: "250",
      RANDOM_OFFSET: "-1",
      PHYSICAL_START: "0x1000000",
      TWICE: "y",
    });
  });

  it.each([
    ["EROFS_FS=y", "line 1"],
    ["CONFIG_A=y\nCONFIG_EROFS_FS=maybe", "line 2"],
    ["CONFIG_A", "line 1"],
    ['CONFIG_A="open', "line 1"],
    ["CONFIG_A-B=y", "line 1"],
    ["\x1f\x8b\x08compressed", "line 1"],
    [`CONFIG_A="${"x".repeat(70_000)}"`, "line 1"],
  ])("is refused with the line's number: %s", (text, line) => {
    expect(() => parse(text)).toThrow(FormatError);
    expect(() => parse(text)).toThrow(line);
  });

  it("is refused where it is too large", () => {
    expect(() => parseKernelConfig(Buffer.alloc((4 << 20) + 1, "\n"))).toThrow("expected at most 4194304 bytes");
  });
});
