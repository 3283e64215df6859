import { describe, expect, test } from "vitest";
import { load, loadError } from "./tree.fixture.ts";

const BASE = {
  "cvm.conf":
    "[Distribution]\nRelease=trixie\nRepositories=contrib\n[Output]\nImageId=alpha\nImageVersion=1.10\n[Build]\nEnvironment=A=1 B=\n",
  "profiles/p.conf": "",
};

/** Tells whether a drop-in with these lines applies. */
function applies(lines: string): boolean {
  const files = { ...BASE, "cvm.conf.d/x.conf": `${lines}\n[Content]\nHostname=applies\n` };
  return load(files, { profiles: ["p"] }).profile.content.hostname === "applies";
}

describe("[Match] keys", () => {
  test.each<[term: string, expected: boolean]>([
    ["Profiles=p", true],
    ["Profiles=q", false],
    ["Profiles=", false],
    ["Distribution=debian", true],
    ["Distribution=fedora", false],
    ["Release=trixie", true],
    ["Release=%r", true],
    ["Release=TRIXIE", false],
    ["Architecture=x86-64", true],
    ["Architecture=arm64", false],
    ["Architecture=uefi", true],
    ["HostArchitecture=x86-64", true],
    ["HostArchitecture=riscv64", false],
    ["Repositories=contrib", true],
    ["Repositories=non-free", false],
    ["PathExists=cvm.conf", true],
    ["PathExists=%D/profiles", true],
    ["PathExists=absent", false],
    ["PathExists=", false],
    ["ImageId=alpha", true],
    ["ImageId=a*", true],
    ["ImageId=b*", false],
    ["ImageVersion=1.10", true],
    ["ImageVersion===1.10", true],
    ["ImageVersion=!=1.10", false],
    ["ImageVersion=>1.9", true],
    ["ImageVersion=>=1.10", true],
    ["ImageVersion=<1.9", false],
    ["ImageVersion=<=1.10~rc1", false],
    ["Bootable=auto", true],
    ["Bootable=yes", false],
    ["Format=uki", true],
    ["Format=disk", false],
    ["Environment=A", true],
    ["Environment=A=1", true],
    ["Environment=A=2", false],
    ["Environment=C", false],
    ["Image=main", true],
    ["Image=other", false],
  ])("%s: %s", (term, expected) => {
    expect(applies(`[Match]\n${term}`)).toBe(expected);
    const negated = term.replace("=", "=!");
    expect(applies(`[Match]\n${negated}`)).toBe(!expected);
  });

  test("a setting without a value matches nothing, as in mkosi", () => {
    const hostname = (term: string) =>
      load({ "cvm.conf": "", "cvm.conf.d/x.conf": `[Match]\n${term}\n[Content]\nHostname=x\n` }).profile.content
        .hostname;
    expect(hostname("ImageId=*")).toBeUndefined();
    expect(hostname("ImageVersion=0")).toBeUndefined();
    expect(hostname("ImageVersion=!0")).toBe("x");
  });
});

/** Terms that hold, and that do not. */
const [YES, NO] = ["Release=trixie", "Release=bookworm"];
const [PIPED_YES, PIPED_NO] = ["Release=|trixie", "Release=|bookworm"];

describe("conditions combine", () => {
  test.each<[what: string, lines: string[], expected: boolean]>([
    ["an empty section holds", ["[Match]"], true],
    ["plain terms AND", ["[Match]", YES, NO], false],
    ["piped terms OR", ["[Match]", PIPED_NO, PIPED_YES], true],
    ["no piped term holds", ["[Match]", PIPED_NO, "Release=|!trixie"], false],
    ["plain and piped AND", ["[Match]", NO, PIPED_YES], false],
    ["a negated piped term", ["[Match]", PIPED_NO, "Release=|!bookworm"], true],
    ["sections AND", ["[Match]", YES, "[Match]", PIPED_NO], false],
    ["sections stand anywhere", ["[Content]", "Locale=C.UTF-8", "[Match]", NO], false],
    ["triggers OR", ["[TriggerMatch]", NO, "[TriggerMatch]", YES], true],
    ["no trigger holds", ["[TriggerMatch]", NO, "[TriggerMatch]", YES, PIPED_NO], false],
    ["an empty trigger holds", ["[TriggerMatch]", NO, "[TriggerMatch]"], true],
    ["match and trigger AND", ["[Match]", NO, "[TriggerMatch]", YES], false],
    ["assertions that hold", ["[Assert]", YES, "[TriggerAssert]", NO, "[TriggerAssert]", YES], true],
    ["assertions are not asked where it does not match", ["[Match]", NO, "[Assert]", NO], false],
  ])("%s", (_, lines, expected) => {
    expect(applies(lines.join("\n"))).toBe(expected);
  });

  test.each<[lines: string[], message: string]>([
    [
      ["[Assert]", NO],
      'cannot use configuration "cvm.conf.d/x.conf" at cvm.conf.d/x.conf:2:1: expected Release=bookworm, got "trixie"',
    ],
    [["[Assert]", PIPED_NO, "Release=|sid"], "expected Release=|sid, got"],
    [["[TriggerAssert]", NO, "[TriggerAssert]", "Image=x"], "expected Release=bookworm, got"],
    [["[Assert]", "Image=other"], "expected Image=other, got another answer"],
  ])("%j is fatal", (lines, message) => {
    const error = loadError({ ...BASE, "cvm.conf.d/x.conf": `${lines.join("\n")}\n` });
    expect(error.code).toBe("profile-failed-assertion");
    expect(error.message).toContain(message);
  });

  test("in cvm.conf they gate the whole directory", () => {
    const files = {
      "cvm.conf.d/x/cvm.conf": `[Match]\n${NO}\n`,
      "cvm.conf.d/x/cvm.conf.d/y.conf": "[Content]\nHostname=never\n",
      "cvm.conf.d/x/cvm.extra/f": "",
      "cvm.conf.d/x/services/s.yaml": "command: /x\n",
    };
    const { content, services } = load(files).profile;
    expect(content.hostname).toBeUndefined();
    expect(content.extraTrees).toEqual([]);
    expect(services).toEqual([]);
  });

  test("they see what was read so far, local files and the command line, not what follows", () => {
    const files = {
      "cvm.conf.d/1.conf": "[Match]\nImageId=late\n[Content]\nHostname=never\n",
      "cvm.conf.d/2.conf": "[Output]\nImageId=late\n",
      "cvm.conf.d/3.conf": "[Match]\nImageId=late\n[Content]\nLocale=late\n",
      "cvm.conf.d/4.conf": "[Match]\nImageVersion=9\n[Content]\nTimezone=local\n",
      "cvm.local.conf": "[Output]\nImageVersion=9\n",
    };
    expect(load(files).profile.content).toMatchObject({ locale: "late", timezone: "local" });
    expect(load(files).profile.content.hostname).toBeUndefined();
    expect(load(files, { settings: ["ImageId=cli"] }).profile.content.locale).toBeUndefined();
  });
});
