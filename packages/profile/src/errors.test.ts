import { rmSync, symlinkSync, writeFileSync } from "node:fs";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { MKOSI_SETTINGS } from "./mkosi-setting.ts";
import { SETTINGS } from "./setting-table.ts";
import { load, loadError, loadFrom, writeTree } from "./tree.fixture.ts";

describe("names and values", () => {
  test.each<[text: string, code: string, message: string, hint: string | undefined]>([
    [
      "[Contnet]\n",
      "profile-unknown-section",
      'cannot read section "Contnet" at cvm.conf:1:1: expected one of Include, Config,',
      "did you mean Content?",
    ],
    [
      "[Content]\n\nPackagess=a\n",
      "profile-unknown-setting",
      'cannot read setting "Packagess" at cvm.conf:3:1: expected a setting of [Content], got an unknown name',
      "did you mean Packages=?",
    ],
    [
      "[Content]\nImageID=a\n",
      "profile-unknown-setting",
      'cannot read setting "ImageID" at cvm.conf:2:1: expected a setting of [Content], got an unknown name',
      "did you mean ImageId= of [Output]?",
    ],
    [
      "[Content]\nImageId=a\n",
      "profile-misplaced-setting",
      'cannot read setting "ImageId" at cvm.conf:2:1: expected it in [Output], got [Content]',
      "move it below a line [Output]",
    ],
    [
      "[Content]\nWithDocs= maybe\n",
      "profile-bad-value",
      'cannot read setting "Content.WithDocs" at cvm.conf:2:11: expected a boolean such as yes or no, got "maybe"',
      undefined,
    ],
    [
      "[Content]\nPackages=good\n   fine, b@d\n",
      "profile-bad-value",
      'cannot read setting "Content.Packages" at cvm.conf:3:10: expected a package such as',
      undefined,
    ],
    [
      "[Output]\nCompressOutput=zstdd\n",
      "profile-bad-value",
      'cannot read setting "Output.CompressOutput" at cvm.conf:2:16: expected one of zstd, gzip, none, got "zstdd"',
      "did you mean zstd?",
    ],
    [
      "[Output]\nCompressOutput=gzip\nCompressLevel=12\n",
      "profile-bad-value",
      'cannot read setting "Output.CompressLevel" at cvm.conf:3:15: expected a whole number 0..9 for gzip, got 12',
      undefined,
    ],
    [
      "[Content]\nHostname=a\n  b\n",
      "profile-bad-value",
      'cannot read setting "Content.Hostname" at cvm.conf:2:10: expected one value on one line, got several lines',
      undefined,
    ],
    [
      "[Content]\nExtraTrees=absent\n",
      "profile-bad-value",
      'cannot read setting "Content.ExtraTrees" at cvm.conf:2:12: expected a path that exists, got "absent"',
      expect.stringMatching(/^nothing is at \/.*\/absent$/) as unknown as string,
    ],
    [
      "[Build]\nEnvironment='A=1\n",
      "profile-bad-value",
      'cannot read setting "Build.Environment" at cvm.conf:2:13: expected a closing \', got the end of the value',
      undefined,
    ],
    [
      "[Content]\nHostname=%q\n",
      "profile-unknown-specifier",
      'cannot expand "%q" at cvm.conf:2:10: expected one of %d %r %a %t %i %v %o %O %C %P %D %F %I %%, got "%q"',
      expect.any(String) as unknown as string,
    ],
    [
      "[Content]\nHostname=x-%i\n",
      "profile-unknown-specifier",
      'cannot expand "x-%i" at cvm.conf:2:10: expected one of',
      "assign its setting above",
    ],
    [
      "[Include]\nInclude=../other\n",
      "profile-bad-value",
      'cannot read setting "Include.Include" at cvm.conf:2:9: expected a file or directory below',
      undefined,
    ],
    [
      "[Match]\nReleas=trixie\n",
      "profile-unknown-setting",
      'cannot read condition "Releas" at cvm.conf:2:1: expected one of Profiles,',
      "did you mean Release?",
    ],
    [
      "[Match]\nDistribution=debain\n",
      "profile-bad-value",
      'cannot read condition "Distribution" at cvm.conf:2:14: expected one of debian, fedora,',
      "did you mean debian?",
    ],
    [
      "[Match]\nPathExists=/etc/passwd\n",
      "profile-bad-value",
      'cannot read condition "PathExists" at cvm.conf:2:1: expected a path below',
      "an image must not depend on what else the building machine has",
    ],
  ])("%j", (text, code, message, hint) => {
    const error = loadError({ "cvm.conf": text });
    expect(error).toMatchObject({ code, hint, details: { file: "cvm.conf", line: expect.any(Number) } });
    expect(error.message).toContain(message);
  });

  test.each<[setting: string, message: string]>([
    ["Hostnam=x", 'cannot read setting "Hostnam" at command line: expected the name of a setting, got an unknown name'],
    ["Output.Hostname=x", 'cannot read setting "Hostname" at command line: expected it in [Content], got [Output]'],
    [
      "Remove=x",
      'cannot read setting "Remove" at command line: expected one of Services.Remove, Artifacts.Remove, got',
    ],
    ["Content.Hostname=a b", 'cannot read setting "Content.Hostname" at command line: expected a host name, got "a b"'],
  ])("--set %s", (setting, message) => {
    expect(loadError({ "cvm.conf": "" }, { settings: [setting] }).message).toContain(message);
  });

  test("names are checked in files that do not apply, too", () => {
    expect(loadError({ "cvm.conf": "[Match]\nRelease=bookworm\n[Content]\nPackage=x\n" }).code).toBe(
      "profile-unknown-setting",
    );
  });
});

describe("profiles and files", () => {
  test("an unknown profile", () => {
    const files = { "profiles/reth-node/cvm.conf": "", "profiles/dev.conf": "" };
    expect(loadError(files, { profiles: ["reth-nod"] })).toMatchObject({
      code: "profile-unknown-profile",
      message:
        'cannot read profile "reth-nod" at command line: expected one of dev, reth-node, got a profile that is not there',
      hint: "did you mean reth-node?",
    });
  });

  test("a profile that is named too late", () => {
    const files = { "profiles/a.conf": "[Config]\nProfiles=b\n", "profiles/b.conf": "" };
    expect(loadError(files, { profiles: ["a"] })).toMatchObject({
      message:
        'cannot read profile "b" at profiles/a.conf:2:10: expected it before profiles are read, got Profiles= in a profile',
    });
  });

  test("a directory without configuration", () => {
    expect(loadError({ "README.md": "" })).toMatchObject({ code: "profile-missing" });
  });

  test("a file that is not text", () => {
    expect(loadError({ "cvm.conf": "[Content]\nHostname=\0\n" })).toMatchObject({
      code: "profile-unreadable",
      message: "cannot read file at cvm.conf: expected text, got a NUL character",
    });
  });

  test("a symlink that leads nowhere is not an absent file", () => {
    const directory = writeTree({ "profiles/a.conf": "" });
    symlinkSync("absent", `${directory}/cvm.conf`);
    expect(() => loadFrom(directory)).toThrow(
      "cannot read file at cvm.conf: expected something behind the symlink, got nothing",
    );
    symlinkSync("cvm.conf.d", `${directory}/cvm.conf.d`);
    rmSync(`${directory}/cvm.conf`);
    expect(() => loadFrom(directory)).toThrow("cannot read file at cvm.conf.d: expected something readable, got ELOOP");
  });

  test("a file that is too large, or not UTF-8", () => {
    expect(loadError({ "cvm.conf": "#".repeat(2 ** 20 + 1) }).message).toBe(
      "cannot read file at cvm.conf: expected at most 1 MiB, got 1048577 bytes",
    );
    const directory = writeTree({ "cvm.conf": "" });
    writeFileSync(`${directory}/cvm.conf`, Uint8Array.of(0x5b, 0xff, 0x5d));
    expect(() => loadFrom(directory)).toThrow("expected something readable, got bytes that are not UTF-8");
  });

  test.each([
    ["an executable file", { text: "1.0\n", mode: 0o755 }],
    ["a script", "#!/bin/sh\necho 1.0\n"],
  ])("%s is not run for a value", (_, file) => {
    expect(loadError({ "mkosi.conf": "", "mkosi.version": file })).toMatchObject({
      code: "profile-executable",
      message:
        'cannot read setting "Output.ImageVersion" at mkosi.version: expected a file that holds the value, got a program',
      hint: expect.stringContaining("--set Output.ImageVersion=VALUE"),
    });
  });
});

describe("what mkosi has and cvm-build does not", () => {
  const files = {
    "mkosi.conf":
      "[Distribution]\nDistribution=fedora\n[Output]\nFormat=esp\n[Content]\nPackages=a\nBootloader=grub\nRootPassword=secret\nCleanPackageMetadata=no\n",
    "mkosi.conf.d/x.conf": "[Validation]\nSecureBootSignTool=sbsign\n[Runtime]\nRAM=2G\n[Match]\nSystemdVersion=!255\n",
    "mkosi.conf.d/y.conf": "[Match]\nRelease=bookworm\n[Build]\nWithNetwork=yes\n",
    "mkosi.postinst": { text: "#!/bin/sh\n", mode: 0o755 },
    "mkosi.repart/10.conf": "",
  };
  const names = [
    "mkosi.postinst: Content.PostInstallationScripts",
    "mkosi.repart: Output.RepartDirectories",
    'mkosi.conf:2:14: Distribution.Distribution="fedora"',
    'mkosi.conf:4:8: Output.Format="esp"',
    "mkosi.conf:7:1: Content.Bootloader",
    "mkosi.conf:8:14: Content.RootPassword=a password in clear",
    'mkosi.conf:9:22: Content.CleanPackageMetadata="no"',
    "mkosi.conf.d/x.conf:6:1: Match.SystemdVersion",
    "mkosi.conf.d/x.conf:2:1: Validation.SecureBootSignTool",
    "mkosi.conf.d/x.conf:4:1: Runtime.RAM",
  ];

  test("is refused all at once, with what to do instead", () => {
    const error = loadError(files);
    expect(error.code).toBe("profile-unsupported");
    expect(error.message.split("\n")[0]).toBe(
      "cannot use 10 settings of mkosi: expected settings that cvm-build has, got",
    );
    for (const name of names) expect(error.message).toContain(`\n  ${name}: `);
    expect(error.message).not.toContain("secret");
  });

  test("is listed on request, and the rest loaded", () => {
    const { profile, unsupported } = load(files, { ignoreUnsupported: true });
    expect(unsupported).toHaveLength(names.length);
    expect(profile.content.packages).toEqual(["a"]);
    expect(profile.distribution.distribution).toBe("debian");
    expect(profile.content.rootPasswordHash).toBeUndefined();
  });

  test("is known by name: 188 settings of mkosi 27 and its old names", () => {
    const known = [...SETTINGS.filter((row) => !row.isOurs), ...MKOSI_SETTINGS].map(
      ({ section, name }) => `${section}.${name}`,
    );
    expect(new Set(known).size).toBe(known.length);
    const oldNames =
      /\.(Qemu(?!Args)\w+|Profile|Devicetree|(ToolsTree)?PackageManagerTrees|(Prepare|Build|PostInstallation|Finalize)Script)$/;
    const current = known.filter((name) => !oldNames.test(name) && !name.startsWith("UKIProfile."));
    expect(current).toHaveLength(188);
  });
});

test("any configuration is loaded or refused with a CvmError", () => {
  const names = [...SETTINGS, ...MKOSI_SETTINGS].map(({ section, name }) => `[${section}]\n${name}=`);
  const piece = fc.oneof(
    fc.constantFrom(
      ...names,
      "[Match]\n",
      "[TriggerAssert]\n",
      "Release=",
      "ImageVersion=>",
      "\n",
      "\n  ",
      "%i",
      "$A",
      "|!",
    ),
    fc.constantFrom("yes", "a", "'", '"', "\\", ",", " ", "/", "..", "hashed:", "1", "%", "*", "[", "=", ":", "#", "~"),
    fc.string({ maxLength: 6 }),
  );
  fc.assert(
    fc.property(
      fc.array(piece, { maxLength: 30 }).map((pieces) => pieces.join("")),
      fc.boolean(),
      (text, ignoreUnsupported) => {
        try {
          load({ "cvm.conf": text }, { ignoreUnsupported });
        } catch (error) {
          expect(error).toMatchObject({ name: "CvmError", code: expect.stringMatching(/^profile-/) });
        }
      },
    ),
    { seed: 5, numRuns: 600 },
  );
});
