import { createHash } from "node:crypto";
import { resolve } from "node:path";
import type { Profile } from "./profile.ts";
import {
  type DefaultContext,
  filling,
  list,
  one,
  type ProfileField,
  type SettingRow,
  sortPackages,
  variables,
} from "./setting.ts";
import {
  boolean,
  choice,
  existingPath,
  feature,
  imagePath,
  integer,
  type ItemKind,
  only,
  packageName,
  path,
  rootPassword,
  textItem,
  tree,
  uuid,
} from "./value-kind.ts";
import { ValueFault } from "./value-fault.ts";
import { compareVersions } from "./version-order.ts";

/** mkosi's architectures beyond those that images are built for. */
const OTHER_ARCHITECTURES =
  "alpha arc arm ia64 loongarch64 mips-le mips64-le parisc ppc ppc64 ppc64-le riscv32 riscv64 s390 s390x tilegx x86".split(
    " ",
  );
const OTHER_DISTRIBUTIONS =
  "fedora kali ubuntu postmarketos arch opensuse mageia centos rhel rhel-ubi openmandriva rocky alma azure custom".split(
    " ",
  );
/** The mkosi whose language is read. */
const MKOSI_VERSION = "27";
/** Configurations that mkosi itself carries, by name. */
const MKOSI_BUILTIN = ["mkosi-tools", "mkosi-initrd", "mkosi-vm", "mkosi-addon", "mkosi-obs"];
const OTHER_FORMATS = "confext cpio directory disk esp none portable sysext tar oci addon".split(" ");

const unit = textItem(
  "a systemd unit such as chrony.service",
  /^[A-Za-z0-9:_.\\@-]+\.(service|socket|device|mount|automount|swap|target|path|timer|slice|scope)$/,
);
const profileName = textItem("a profile's name without slashes", /^(?!\.{1,2}$)[^/\0]+$/);
const address = textItem("an http or https address", /^https?:\/\/[^\s"<>]+$/);
const release = textItem("a release such as trixie", /^[a-z0-9][a-z0-9.+-]*$/);
const word = textItem("a name of letters, digits and -._", /^[A-Za-z0-9][A-Za-z0-9._-]*$/);
const variableName = textItem("a variable's name", /^[A-Za-z_][A-Za-z0-9_]*$/);

const include: ItemKind<string> = {
  ...path,
  parse(written, context) {
    if (!MKOSI_BUILTIN.includes(written)) return path.parse(written, context);
    throw new ValueFault("a file or directory", written, {
      useInstead: "leave it out: mkosi's own configuration is not read",
    });
  },
};

const minimumVersion: ItemKind<string> = {
  ...textItem("a version of mkosi such as 27", /^([0-9][0-9.~a-z]*|commit:[0-9a-f]+)$/),
  parse(written, context) {
    const version = textItem(this.expected, /^([0-9][0-9.~a-z]*|commit:[0-9a-f]+)$/).parse(written, context);
    if (!version.startsWith("commit:") && compareVersions(version, MKOSI_VERSION) <= 0) return version;
    throw new ValueFault(`at most ${MKOSI_VERSION}`, written, {
      useInstead: `profiles are read as mkosi ${MKOSI_VERSION} reads them; leave the setting out if that is enough`,
    });
  },
};

const CONFIGURATION: SettingRow[] = [
  {
    section: "Include",
    name: "Include",
    kind: list(include),
    summary: "Reads another file or directory on the spot, each once.",
  },
  {
    section: "Config",
    name: "Profiles",
    kind: list(profileName),
    match: "contains",
    summary: "Profiles to read after the configuration, in order; those of `--profile` follow.",
  },
  {
    section: "Config",
    name: "MinimumVersion",
    kind: one(minimumVersion),
    summary: "The mkosi whose language the files use; 27 at most.",
  },
  {
    section: "Config",
    name: "PassEnvironment",
    kind: list(variableName, { split: "words" }),
    summary: "Variables of the caller that paths and `Environment=` may use; no other is looked at.",
  },
];

const DISTRIBUTION = [
  filling("distribution.distribution", {
    section: "Distribution",
    name: "Distribution",
    kind: one(choice(["debian"], { known: OTHER_DISTRIBUTIONS, useInstead: "only debian can be built so far" })),
    default: () => "debian",
    match: "equal",
    specifier: "d",
    summary: "The distribution that packages come from.",
  }),
  filling("distribution.release", {
    section: "Distribution",
    name: "Release",
    kind: one(release),
    default: () => "trixie",
    match: "equal",
    specifier: "r",
    summary: "Its release, by code name.",
  }),
  filling("distribution.architecture", {
    section: "Distribution",
    name: "Architecture",
    kind: one(choice(["x86-64", "arm64"], { known: OTHER_ARCHITECTURES })),
    default: (context) => context.hostArchitecture,
    defaultNote: "the building machine's",
    match: "architecture",
    specifier: "a",
    summary: "What the image runs on.",
  }),
  filling("distribution.mirror", {
    section: "Distribution",
    name: "Mirror",
    kind: one(address),
    summary: "Address of the main archive; else the host's own configuration, then the public archive.",
  }),
  filling("distribution.securityMirror", {
    section: "Distribution",
    name: "SecurityMirror",
    kind: one(address),
    isOurs: true,
    summary: "Address of the security archive.",
  }),
  filling("distribution.snapshot", {
    section: "Distribution",
    name: "Snapshot",
    kind: one(textItem("a timestamp such as 20260528T084923Z", /^[0-9]{8}T[0-9]{6}Z$/)),
    besides: [{ suffix: "snapshot", take: "text" }],
    summary: "Takes packages from the timestamped archive as of then.",
  }),
  filling("distribution.repositories", {
    section: "Distribution",
    name: "Repositories",
    kind: list(textItem("a component such as main", /^[a-z0-9][a-z0-9/-]*$/), {
      collect: (components) => [...new Set(["main", ...components])],
    }),
    default: () => ["main"],
    match: "contains",
    summary: "Components beside main.",
  }),
  {
    section: "Distribution",
    name: "RepositoryKeyCheck",
    kind: one(only(boolean, { not: false, useInstead: "repositories are always verified; leave the setting out" })),
    default: () => true,
    summary: "Whether signatures of repositories are checked: always.",
  } satisfies SettingRow<boolean>,
] as const;

const OUTPUT = [
  filling("output.format", {
    section: "Output",
    name: "Format",
    kind: one(choice(["uki"], { known: OTHER_FORMATS, useInstead: "only Format=uki can be built so far" })),
    default: () => "uki",
    match: "equal",
    specifier: "t",
    summary: "What is built.",
  }),
  filling("output.imageId", {
    section: "Output",
    name: "ImageId",
    kind: one(word),
    default: () => "image",
    match: "glob",
    specifier: "i",
    summary: "Names the image: its files, os-release, the directory below `build/`.",
  }),
  filling("output.imageVersion", {
    section: "Output",
    name: "ImageVersion",
    kind: one(textItem("a version such as 1.2", /^[A-Za-z0-9][A-Za-z0-9._~^+-]*$/)),
    default: () => "0",
    match: "version",
    specifier: "v",
    besides: [{ suffix: "version", take: "text" }],
    summary: "The image's version.",
  }),
  filling("output.outputDirectory", {
    section: "Output",
    name: "OutputDirectory",
    kind: one(path),
    default: (context) => resolve(context.invocationDirectory, "build"),
    defaultNote: "`build` below the working directory",
    specifier: "O",
    besides: [{ suffix: "output", take: "path" }],
    summary: "Where the image's directory is put.",
  }),
  filling("output.compressOutput", {
    section: "Output",
    name: "CompressOutput",
    kind: one(
      choice(["zstd", "gzip", "none"], {
        spellings: {
          zst: "zstd",
          gz: "gzip",
          ...spell("zstd", "1 true yes y t on always"),
          ...spell("none", "0 false no n f off never"),
        },
        known: ["xz", "bz2", "lz4", "lzma"],
      }),
    ),
    default: () => "zstd",
    summary: "How the initrd is compressed.",
  }),
  filling("output.compressLevel", {
    section: "Output",
    name: "CompressLevel",
    kind: one(integer(0, 22)),
    default: () => 3,
    summary: "The compressor's level.",
  }),
  filling("output.seed", {
    section: "Output",
    name: "Seed",
    kind: one(uuid("-")),
    default: seedOf,
    defaultNote: "made from `ImageId=`",
    besides: [{ suffix: "seed", take: "text" }],
    summary: "Where identifiers that look random come from.",
  }),
  filling("output.notices", {
    section: "Output",
    name: "Notice",
    kind: list(textItem("a sentence"), { split: "lines" }),
    isOurs: true,
    summary: "Sentences that the summary, the manifest and the last lines on screen repeat.",
  }),
] as const;

const CONTENT = [
  filling("content.packages", {
    section: "Content",
    name: "Packages",
    kind: list(packageName, { collect: sortPackages }),
    summary: "Packages to install, sorted.",
  }),
  filling("content.packageDirectories", {
    section: "Content",
    name: "PackageDirectories",
    kind: list(existingPath),
    besides: [{ suffix: "packages", take: "path" }],
    summary: "Directories of package files that may be installed by name.",
  }),
  filling("content.withEssential", {
    section: "Content",
    name: "WithEssential",
    kind: one(boolean),
    default: () => true,
    isOurs: true,
    summary: "Whether the distribution's Essential packages are added.",
  }),
  filling("content.withRecommends", {
    section: "Content",
    name: "WithRecommends",
    kind: one(boolean),
    default: () => false,
    summary: "Whether recommended packages are installed too.",
  }),
  filling("content.withDocs", {
    section: "Content",
    name: "WithDocs",
    kind: one(boolean),
    default: () => true,
    summary: "Whether documentation of packages is kept.",
  }),
  filling("content.cleanPackageMetadata", {
    section: "Content",
    name: "CleanPackageMetadata",
    kind: { ...one(feature), collect: (items) => items.at(-1) !== false },
    default: () => true,
    summary: "Whether the package database is left out; `auto` leaves it out.",
  }),
  filling("content.removePackages", {
    section: "Content",
    name: "RemovePackages",
    kind: list(textItem("a package's name or a glob", /^[A-Za-z0-9*?[][A-Za-z0-9+.*?[\]!:-]*$/)),
    summary: "Packages or globs whose files are left out although they were resolved.",
  }),
  filling("content.extraTrees", {
    section: "Content",
    name: "ExtraTrees",
    kind: list(tree),
    besides: [
      { suffix: "extra", take: "path" },
      { suffix: "extra.tar", take: "path" },
    ],
    summary: "Files and directories copied over the packages' files.",
  }),
  filling("content.removeFiles", {
    section: "Content",
    name: "RemoveFiles",
    kind: list(textItem("an absolute path or glob in the image", /^\/[^\0]*$/)),
    summary: "Globs of files to remove at the end.",
  }),
  filling("content.kernelModules", {
    section: "Content",
    name: "KernelModules",
    kind: list(textItem("a module, a path or a glob, after - to exclude", /^-?[^\0-][^\0]*$/)),
    summary: "Kernel modules to keep, with what they depend on; `-` excludes, the last match wins. Empty keeps all.",
  }),
  filling("content.kernelCommandLine", {
    section: "Content",
    name: "KernelCommandLine",
    kind: list(textItem("an option"), { split: "spaces" }),
    summary: "Options of the kernel.",
  }),
  filling("content.hostname", {
    section: "Content",
    name: "Hostname",
    kind: one(
      textItem(
        "a host name",
        /^(?=.{1,64}$)[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*$/,
      ),
    ),
    summary: "The host name.",
  }),
  filling("content.timezone", {
    section: "Content",
    name: "Timezone",
    kind: one(textItem("a time zone such as Europe/Vienna", /^[A-Za-z0-9_+-]+(\/[A-Za-z0-9_+-]+)*$/)),
    summary: "The time zone.",
  }),
  filling("content.locale", {
    section: "Content",
    name: "Locale",
    kind: one(textItem("a locale such as C.UTF-8", /^[A-Za-z0-9._@-]+$/)),
    summary: "The locale.",
  }),
  filling("content.machineId", {
    section: "Content",
    name: "MachineId",
    kind: one(uuid("")),
    besides: [{ suffix: "machine-id", take: "text" }],
    summary: "The machine id; made at boot unless set.",
  }),
  filling("content.rootPasswordHash", {
    section: "Content",
    name: "RootPassword",
    kind: one(rootPassword),
    besides: [{ suffix: "rootpw", take: "text" }],
    summary:
      "The root password as `hashed:HASH`; `hashed:` alone means none is asked. The account is locked unless set.",
  }),
  filling("content.rootShell", {
    section: "Content",
    name: "RootShell",
    kind: one(imagePath),
    summary: "The shell of root.",
  }),
  filling("content.autologin", {
    section: "Content",
    name: "Autologin",
    kind: one(boolean),
    default: () => false,
    summary: "Whether root is logged in on the consoles.",
  }),
  filling("content.sourceDateEpochSec", {
    section: "Content",
    name: "SourceDateEpoch",
    kind: one(integer(0, 0xffffffff)),
    default: epochOf,
    defaultNote: "`SOURCE_DATE_EPOCH` of `Environment=`, or 0",
    summary: "No file is younger than this, in seconds since 1970.",
  }),
  {
    section: "Content",
    name: "Bootable",
    kind: one(only(feature, { not: false, useInstead: "a UKI is bootable; leave the setting out" })),
    default: () => "auto",
    match: "feature",
    summary: "Whether the image can be booted: always.",
  } satisfies SettingRow<boolean | "auto">,
  {
    section: "Content",
    name: "Ssh",
    kind: one(
      choice(["never"], {
        spellings: { ...spell("never", "0 false no n f off") },
        known: ["auto", "always", "runtime", "1", "true", "yes", "y", "t", "on"],
        useInstead: "no ssh server is set up; use the serial console of a development profile",
      }),
    ),
    default: () => "never",
    summary: "Whether to set up an ssh server: never.",
  } satisfies SettingRow<"never">,
] as const;

const OUR_SECTIONS = [
  filling("content.environment", {
    section: "Build",
    name: "Environment",
    kind: variables(),
    match: "variable",
    summary: "Variables, merged by name. One without a value is taken from the caller if `PassEnvironment=` lists it.",
  }),
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
  filling("measure.banks", {
    section: "Measure",
    name: "Banks",
    kind: list(choice(["sha1", "sha256", "sha384", "sha512"]), { collect: (banks) => [...new Set(banks)] }),
    default: () => ["sha1", "sha256", "sha384", "sha512"],
    isOurs: true,
    summary: "TPM banks to predict.",
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

const ROWS = [...DISTRIBUTION, ...OUTPUT, ...CONTENT, ...OUR_SECTIONS] as const;

/** Every setting that a profile may use, in the order of the reference. */
export const SETTINGS: readonly SettingRow[] = [...CONFIGURATION, ...ROWS];

type FilledField = Extract<(typeof ROWS)[number], { field: ProfileField }>["field"];
type UnfilledField = Exclude<ProfileField, FilledField>;

/** Fails to compile when a field of the profile has no row. */
export const EVERY_FIELD_HAS_A_ROW: UnfilledField extends never ? true : UnfilledField = true;

const BY_FULL_NAME = new Map(SETTINGS.map((row) => [`${row.section}.${row.name}`, row]));
const BY_SPECIFIER = new Map(SETTINGS.flatMap((row) => (row.specifier === undefined ? [] : [[row.specifier, row]])));

/** Finds a row by `Section.Name`. */
export function findSetting(fullName: string): SettingRow | undefined {
  return BY_FULL_NAME.get(fullName);
}

/** Finds the setting whose value `%x` gives. */
export function findSpecifierSetting(specifier: string): SettingRow | undefined {
  return BY_SPECIFIER.get(specifier);
}

/** Names of all settings without their sections. */
export function settingsNamed(name: string): SettingRow[] {
  return SETTINGS.filter((row) => row.name === name);
}

/** The settings groups of a profile, empty: what `fillProfile` starts from. */
export type FilledSettings = Pick<Profile, "distribution" | "output" | "content" | "uki" | "measure">;

function spell<T extends string>(value: T, spellings: string): Record<string, T> {
  return Object.fromEntries(spellings.split(" ").map((spelling) => [spelling, value]));
}

/** A version 8 UUID of the image's id: stable without being written anywhere. */
function seedOf(context: DefaultContext): string {
  const id = String(context.value("Output.ImageId"));
  const hex = createHash("sha256").update(`cvm-build seed\0${id}`).digest("hex");
  const variant = ((Number.parseInt(hex[16]!, 16) & 0x3) | 0x8).toString(16);
  return [
    hex.slice(0, 8),
    hex.slice(8, 12),
    `8${hex.slice(13, 16)}`,
    variant + hex.slice(17, 20),
    hex.slice(20, 32),
  ].join("-");
}

function epochOf(context: DefaultContext): number {
  const { SOURCE_DATE_EPOCH: written } = context.value("Build.Environment") as Record<string, string>;
  return written !== undefined && /^[0-9]{1,10}$/.test(written) ? Math.min(Number(written), 0xffffffff) : 0;
}
