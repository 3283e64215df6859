import { CvmError } from "@cvm-build/bytes";
import { describe, expect, it } from "vitest";
import { foldName, nameEntries, shortNameChecksum } from "./names.ts";

const shorts = (...names: string[]): string[] => nameEntries(names, "/").map(({ shortName }) => shortName);

describe("nameEntries", () => {
  // Microsoft's FAT: General Overview of On-Disk Format 1.03, the examples of "ShortDirName" and of long names.
  it.each([
    ["foo.bar", "FOO     BAR"],
    ["FOO.BAR", "FOO     BAR"],
    ["Foo.Bar", "FOO     BAR"],
    ["foo", "FOO        "],
    ["PICKLE.A", "PICKLE  A  "],
    ["prettybg.big", "PRETTYBGBIG"],
    ["The quick brown.fox", "THEQUI~1FOX"],
  ])("gives %s a short name", (name, shortName) => {
    expect(shorts(name)).toEqual([shortName]);
  });

  it("numbers names that begin alike, and leaves out numbers that others have", () => {
    expect(shorts("longer name 1.txt", "longer name 2.txt", "LONGER~2.TXT", "longer name 3.txt")).toEqual([
      "LONGER~1TXT",
      "LONGER~3TXT",
      "LONGER~2TXT",
      "LONGER~4TXT",
    ]);
    const many = shorts(...Array.from({ length: 1200 }, (_, index) => `entry-${index}.conf`));
    expect(new Set(many).size).toBe(1200);
    expect(many[0]).toBe("ENTRY-~1CON");
    expect(many[999]).toBe("ENT~1000CON");
  });

  it("takes out what short names cannot hold", () => {
    expect(shorts(".profile", "a+b=c.e+i", "ő", "x.tar.gz", "a b")).toEqual([
      "PROFIL~1   ",
      "A_B_C~1 E_I",
      "_~1        ",
      "XTAR~1  GZ ",
      "AB~1       ",
    ]);
  });

  it("keeps a long name where case or characters would be lost", () => {
    const long = nameEntries(["UPPER.EFI", "lower.efi", "Mixed.efi", "long-name-here"], "/");
    expect(long.map(({ needsLongName }) => needsLongName)).toEqual([false, true, true, true]);
  });

  it.each([
    [["linux.efi", "LINUX.EFI"], 'cannot pack entry "/LINUX.EFI": expected a name that differs by more than case'],
    [["ő", "Ő"], "differs by more than case"],
    [["a:b"], 'control characters and "*/:<>?\\|, got ":"'],
    [["a\nb"], "control characters"],
    [["a."], "neither a dot nor a space"],
    [["a "], "neither a dot nor a space"],
    [["🔒"], "characters up to U+FFFF"],
    [["x".repeat(256)], "at most 255 UTF-16 code units, got 256"],
  ])("refuses %j", (names, message) => {
    expect(() => nameEntries(names, "/")).toThrow(CvmError);
    expect(() => nameEntries(names, "/")).toThrow(message);
  });
});

it("folds letters one by one", () => {
  expect(foldName("straße-ő.txt")).toBe("STRAßE-Ő.TXT");
});

// The entry that mtools 4.0.32 wrote for a file "🔒 long.txt".
it("sums short names", () => {
  expect(shortNameChecksum(Buffer.from("_LONG~1 TXT"))).toBe(0x9e);
});
