import { list, one, type SettingRow } from "../setting.ts";
import { type ItemKind, path, textItem } from "../value-kind.ts";
import { ValueFault } from "../value-fault.ts";
import { compareVersions } from "../version-order.ts";

/** The mkosi whose language is read. */
const MKOSI_VERSION = "27";

/** Configurations that mkosi itself carries, by name. */
const MKOSI_BUILTIN = ["mkosi-tools", "mkosi-initrd", "mkosi-vm", "mkosi-addon", "mkosi-obs"];

const profileName = textItem("a profile's name without slashes", /^(?!\.{1,2}$)[^/\0]+$/);

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

/** Settings that steer the reading itself. */
export const CONFIGURATION_SETTINGS: SettingRow[] = [
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
