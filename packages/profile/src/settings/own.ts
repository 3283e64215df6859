import { filling, list, one, type SettingRow } from "../setting.ts";
import type { Companion } from "../profile.ts";
import { choice, existingPath, type ItemKind, textItem } from "../value-kind.ts";
import { ValueFault } from "../value-fault.ts";

const unit = textItem(
  "a systemd unit such as chrony.service",
  /^[A-Za-z0-9:_.\\@-]+\.(service|socket|device|mount|automount|swap|target|path|timer|slice|scope)$/,
);

const release = textItem("a release such as trixie", /^[a-z0-9][a-z0-9.+-]*$/);

const word = textItem("a name of letters, digits and -._", /^[A-Za-z0-9][A-Za-z0-9._-]*$/);

/** What systemd-stub picks up, by the end of its name. @see systemd-stub(7), "Companion Files" */
const COMPANION_NAME = /\.(addon\.efi|cred|raw)$/;

const companion: ItemKind<Companion> = {
  expected: "a .addon.efi, .cred or .raw file, with :global behind it or not",
  parse(text, context) {
    const [, path = "", scope] = /^(.*?)(:global)?$/s.exec(text) ?? [];
    if (!COMPANION_NAME.test(path)) throw new ValueFault(this.expected, JSON.stringify(text));
    return { path: existingPath.parse(path, context), scope: scope === undefined ? "uki" : "global" };
  },
  format: ({ path, scope }) => (scope === "global" ? `${path}:global` : path),
};

/** Sections that come from files: all that a build does not make itself. */
const FILE_SECTIONS = [".ucode", ".dtb", ".dtbauto", ".hwids", ".efifw", ".sbat", ".initrd"];

const sectionFile: ItemKind<{ name: string; path: string }> = {
  expected: `.NAME:FILE with one of ${FILE_SECTIONS.join(", ")}`,
  parse(text, context) {
    const [, name = "", path = ""] = /^([^:]*):(.*)$/s.exec(text) ?? [];
    if (!FILE_SECTIONS.includes(name)) throw new ValueFault(this.expected, JSON.stringify(text));
    return { name, path: existingPath.parse(path, context) };
  },
  format: ({ name, path }) => `${name}:${path}`,
};

/** Sections of our own. */
export const OUR_SETTINGS = [
  filling("uki.stubPackage", {
    section: "UKI",
    name: "StubPackage",
    kind: one(textItem("a package's name", /^[a-z0-9][a-z0-9+.-]+$/)),
    default: () => "systemd-boot-efi",
    isOurs: true,
    summary: "The package that the EFI stub comes from.",
  }),
  filling("uki.stubRelease", {
    section: "UKI",
    name: "StubRelease",
    kind: one(release),
    isOurs: true,
    summary: "The release that the stub comes from, where not the image's own.",
  }),
  filling("uki.splash", {
    section: "Content",
    name: "Splash",
    kind: one(existingPath),
    summary: "A BMP image that the stub shows.",
  }),
  {
    section: "Content",
    name: "UnifiedKernelImageProfiles",
    kind: list(existingPath),
    besides: [{ suffix: "uki-profiles", take: "path" }],
    summary: "Files with a `[UKIProfile]` each, such as `Cmdline=` to add: more ways to boot the same UKI.",
  } satisfies SettingRow<string[]>,
  filling("uki.sections", {
    section: "UKI",
    name: "Sections",
    kind: list(sectionFile),
    isOurs: true,
    summary: "Sections from files, beside those that a build makes itself.",
  }),
  filling("uki.companions", {
    section: "UKI",
    name: "Companions",
    kind: list(companion),
    isOurs: true,
    summary: "Add-ons, credentials and extensions to stand beside the UKI on the ESP, or in its folders for every UKI.",
  }),
  filling("measure.banks", {
    section: "Measure",
    name: "Banks",
    kind: list(choice(["sha1", "sha256", "sha384", "sha512"]), { collect: (banks) => [...new Set(banks)] }),
    default: () => ["sha1", "sha256", "sha384", "sha512"],
    isOurs: true,
    summary: "TPM banks to predict.",
  }),
  filling("measure.platforms", {
    section: "Measure",
    name: "Platforms",
    kind: list(textItem("the name of a platform such as qemu-ovmf", /^[A-Za-z0-9][A-Za-z0-9._-]*$/), {
      collect: (names) => [...new Set(names)],
    }),
    default: () => [],
    defaultNote: "`qemu-ovmf`, or `qemu-ovmf-secureboot` with `SecureBootVariables=`",
    isOurs: true,
    summary: "What registers are predicted for: `platforms/NAME.yaml`, or one that cvm-build brings.",
  }),
  filling("measure.secureBootVariables", {
    section: "Measure",
    name: "SecureBootVariables",
    kind: one(existingPath),
    isOurs: true,
    summary:
      "A variable store of OVMF's with enrolled keys: what is predicted is a boot that Secure Boot lets through.",
  }),
  filling("measure.phases", {
    section: "Measure",
    name: "Phases",
    kind: {
      ...list(textItem("a phase such as sysinit", /^[a-z][a-z0-9-]*$/)),
      shape: "boot phases separated by colons",
      split: (written) => list(textItem("")).split(written.replaceAll(":", " ")),
    },
    isUnsetWhenEmpty: true,
    defaultNote: "derived from the image",
    isOurs: true,
    summary: "The phase path that the boot reaches, such as `sysinit:ready`.",
  }),
  filling("content.enableUnits", {
    section: "Services",
    name: "Enable",
    kind: list(unit),
    isOurs: true,
    summary: "Units to enable beside the presets.",
  }),
  filling("content.maskUnits", {
    section: "Services",
    name: "Mask",
    kind: list(unit),
    isOurs: true,
    summary: "Units to mask.",
  }),
  filling("content.defaultTarget", {
    section: "Services",
    name: "DefaultTarget",
    kind: one(textItem("a target such as multi-user.target", /^[A-Za-z0-9:_.@-]+\.target$/)),
    default: () => "multi-user.target",
    isOurs: true,
    summary: "The unit that the system boots to.",
  }),
  {
    section: "Services",
    name: "Remove",
    kind: list(word),
    isOurs: true,
    summary: "Services declared so far (by an earlier profile) to drop.",
  } satisfies SettingRow<string[]>,
  {
    section: "Artifacts",
    name: "Remove",
    kind: list(word),
    isOurs: true,
    summary: "Artefacts declared so far (by an earlier profile) to drop.",
  } satisfies SettingRow<string[]>,
] as const;
