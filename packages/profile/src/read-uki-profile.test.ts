import { describe, expect, it } from "vitest";
import { parseUkiProfile } from "./read-uki-profile.ts";

describe("parseUkiProfile", () => {
  it("reads what mkosi's files have", () => {
    const text =
      "[UKIProfile]\nProfile=ID=rescue\n        TITLE=Rescue shell\nCmdline=systemd.unit=rescue.target  quiet\nSignExpectedPcr=no\n";
    expect(parseUkiProfile(text, "rescue.conf")).toEqual({
      fields: ["ID=rescue", "TITLE=Rescue shell"],
      kernelCommandLine: ["systemd.unit=rescue.target", "quiet"],
      signExpectedPcr: false,
    });
  });

  it.each([
    [
      "no id",
      "[UKIProfile]\nProfile=TITLE=x\n",
      "cannot read UKI profile at x.conf: expected Profile= with a line ID=…",
    ],
    [
      "another section",
      "[Content]\nProfile=ID=x\n",
      'cannot read UKI profile at x.conf:1:1: expected [UKIProfile], got "Content"',
    ],
    [
      "an unknown setting",
      "[UKIProfile]\nCmdLine=x\n",
      'cannot read setting "UKIProfile.CmdLine" at x.conf:2:1: expected one of Profile, Cmdline, SignExpectedPcr',
    ],
    ["a field that is none", "[UKIProfile]\nProfile=rescue\n", 'expected lines such as ID=rescue, got "rescue"'],
    ["a switch that is none", "[UKIProfile]\nSignExpectedPcr=often\n", "expected a boolean such as yes or no"],
  ])("refuses %s", (_, text, message) => {
    expect(() => parseUkiProfile(text, "x.conf")).toThrow(message);
  });
});
