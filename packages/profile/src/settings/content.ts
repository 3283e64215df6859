import { FORMAT_TRAITS, type OutputFormat, INITRD_FORMATS, MERGING_FORMATS } from "../output-format.ts";
import { type DefaultContext, filling, list, one, type SettingRow, sortPackages, variables } from "../setting.ts";
import {
  boolean,
  choice,
  existingPath,
  feature,
  imagePath,
  integer,
  only,
  packageName,
  rootPassword,
  spell,
  textItem,
  tree,
  uuid,
  NO,
  YES,
} from "../value-kind.ts";

const kernelModule = textItem("a module, a path or a glob, after - to exclude", /^-?[^\0-][^\0]*$/);

/** `[Content]` and `[Build]`: what is in the image. */
export const CONTENT_SETTINGS = [
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
    summary: "Directories of package files that are resolved beside those of the archive.",
  }),
  filling("content.withEssential", {
    section: "Content",
    name: "WithEssential",
    kind: one(boolean),
    default: (context) => FORMAT_TRAITS[context.value("Output.Format") as OutputFormat].hasEssential,
    defaultNote: "`yes`, and `no` for add-ons and extensions",
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
  {
    section: "Content",
    name: "CleanPackageMetadata",
    kind: one(only(feature, { not: false, useInstead: "manifest.json lists the packages; leave the setting out" })),
    default: () => true,
    summary: "Whether the package database is left out: always.",
  } satisfies SettingRow<boolean | "auto">,
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
    kind: list(kernelModule),
    summary: "Kernel modules to keep, with what they depend on; `-` excludes, the last match wins. Empty keeps all.",
  }),
  filling("content.initrdPackages", {
    section: "Content",
    name: "InitrdPackages",
    kind: list(packageName, { collect: sortPackages }),
    formats: INITRD_FORMATS,
    summary: "Packages of the small initrd that mounts the image, beside those that it needs itself.",
  }),
  filling("content.kernelInitrdModules", {
    section: "Content",
    name: "KernelInitrdModules",
    kind: list(kernelModule),
    defaultNote: "what disks of clouds and QEMU need",
    formats: INITRD_FORMATS,
    summary: "Kernel modules of that initrd, written as in `KernelModules=`.",
  }),
  filling("content.mergeExtensions", {
    section: "Content",
    name: "MergeExtensions",
    kind: one(choice(["no", "signed", "measured"], { spellings: spell("no", NO) })),
    default: () => "no",
    formats: MERGING_FORMATS,
    isOurs: true,
    summary:
      "Which extensions beside its UKI the running system merges: those that a certificate in `/etc/verity.d` has signed, or any, which PCR 12 and 13 tell.",
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
    kind: one(feature),
    default: () => "auto",
    match: "feature",
    summary: "Whether the image can be booted: as its format is.",
  } satisfies SettingRow<boolean | "auto">,
  {
    section: "Content",
    name: "Ssh",
    kind: one(
      choice(["never"], {
        spellings: spell("never", NO),
        known: ["auto", "runtime", ...YES],
        useInstead: "no ssh server is set up; use the serial console of a development profile",
      }),
    ),
    default: () => "never",
    summary: "Whether to set up an ssh server: never.",
  } satisfies SettingRow<"never">,
  filling("content.environment", {
    section: "Build",
    name: "Environment",
    kind: variables(),
    match: "variable",
    summary: "Variables, merged by name. One without a value is taken from the caller if `PassEnvironment=` lists it.",
  }),
] as const;

function epochOf(context: DefaultContext): number {
  const { SOURCE_DATE_EPOCH: written } = context.value("Build.Environment") as Record<string, string>;
  return written !== undefined && /^[0-9]{1,10}$/.test(written) ? Math.min(Number(written), 0xffffffff) : 0;
}
