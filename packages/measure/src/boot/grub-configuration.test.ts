import { describe, expect, it } from "vitest";
import { chosenEntry, parseGrubConfiguration } from "./grub-configuration.ts";

const ENTRY = "menuentry 'one two' {\n\tlinux /vmlinuz  console=ttyS0   quiet\n\tinitrd /initrd\n}\n";

describe("parseGrubConfiguration", () => {
  it("reads what is executed, and what each entry starts", () => {
    const configuration = parseGrubConfiguration(
      `# comment\n\nset timeout=0\nset default=1\n${ENTRY}menuentry three {\n  linux /k\n}\n`,
    );
    expect(configuration?.commands.map(({ command }) => command)).toEqual([
      "set timeout=0",
      "set default=1",
      "menuentry one two {\n\tlinux /vmlinuz  console=ttyS0   quiet\n\tinitrd /initrd\n}",
      "menuentry three {\n  linux /k\n}",
    ]);
    const [first] = configuration?.commands.flatMap(({ entry }) => entry ?? []) ?? [];
    expect(first).toEqual({
      title: "one two",
      kernelPath: "/vmlinuz",
      initrdPath: "/initrd",
      commandLine: "/vmlinuz console=ttyS0 quiet",
    });
    expect(configuration && chosenEntry(configuration)).toMatchObject({ title: "three", initrdPath: undefined });
  });

  it.each([
    ["a variable", ENTRY.replace("quiet", "$root")],
    ["a quote", ENTRY.replace("quiet", '"a b"')],
    ["another command", `insmod part_gpt\n${ENTRY}`],
    ["another command in an entry", ENTRY.replace("\tinitrd", "\tset gfxpayload=keep\n\tinitrd")],
    ["two initrds", ENTRY.replace("/initrd", "/ucode /initrd")],
    ["an entry without an end", ENTRY.replace("}", "")],
    ["options of an entry", ENTRY.replace("{", "--class debian {")],
    ["a default that is a name", `set default=saved\n${ENTRY}`],
    ["a blank before the end of an entry", ENTRY.replace("\n}", "\n  }")],
    ["too many lines", "\n".repeat(20_000)],
  ])("does not follow %s", (_, text) => {
    expect(parseGrubConfiguration(text)).toBeUndefined();
  });

  it("starts nothing where the default is beyond the entries", () => {
    const configuration = parseGrubConfiguration(`set default=7\n${ENTRY}`);
    expect(configuration && chosenEntry(configuration)).toBeUndefined();
  });
});
