import { filling, list, one, type SettingRow } from "../setting.ts";
import { boolean, choice, only, textItem } from "../value-kind.ts";

/** mkosi's architectures beyond those that images are built for. */
const OTHER_ARCHITECTURES =
  "alpha arc arm ia64 loongarch64 mips-le mips64-le parisc ppc ppc64 ppc64-le riscv32 riscv64 s390 s390x tilegx x86".split(
    " ",
  );

const OTHER_DISTRIBUTIONS =
  "fedora kali ubuntu postmarketos arch opensuse mageia centos rhel rhel-ubi openmandriva rocky alma azure custom".split(
    " ",
  );

const address = textItem("an http or https address", /^https?:\/\/[^\s"<>]+$/);

const release = textItem("a release such as trixie", /^[a-z0-9][a-z0-9.+-]*$/);

/** `[Distribution]`: where packages come from. */
export const DISTRIBUTION_SETTINGS = [
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
