import { EXTENSION_FORMATS } from "../output-format.ts";
import { filling, list, one } from "../setting.ts";
import { choice, textItem } from "../value-kind.ts";

const identifier = textItem("an identifier such as debian, or _any", /^(_any|[a-z0-9][a-z0-9._-]*)$/);

const version = textItem("a version such as 13", /^[a-z0-9][a-z0-9._-]*$/);

/** `[Extension]`: what a system or configuration extension says of the systems that it is for. */
export const EXTENSION_SETTINGS = [
  filling("extension.base", {
    section: "Extension",
    name: "Base",
    kind: one(textItem("a profile's name without slashes", /^(?!\.{1,2}$)[^/\0]+$/)),
    formats: EXTENSION_FORMATS,
    isOurs: true,
    summary: "The profile of the image that it extends: packages of that image's lock are left out.",
  }),
  filling("extension.id", {
    section: "Extension",
    name: "Id",
    kind: one(identifier),
    default: (context) => String(context.value("Distribution.Distribution")),
    formats: EXTENSION_FORMATS,
    isOurs: true,
    summary: "`ID=` of the os-release that it fits, `_any` for every one.",
  }),
  filling("extension.versionId", {
    section: "Extension",
    name: "VersionId",
    kind: one(version),
    defaultNote: "that of `Release=`, unless `Level=` is set or `Id=` is `_any`",
    formats: EXTENSION_FORMATS,
    isOurs: true,
    summary: "`VERSION_ID=` of the os-release that it fits.",
  }),
  filling("extension.level", {
    section: "Extension",
    name: "Level",
    kind: one(version),
    formats: EXTENSION_FORMATS,
    isOurs: true,
    summary: "`SYSEXT_LEVEL=` or `CONFEXT_LEVEL=` of the os-release that it fits, in place of the version.",
  }),
  filling("extension.scope", {
    section: "Extension",
    name: "Scope",
    kind: list(choice(["system", "initrd", "portable"]), { collect: (scopes) => [...new Set(scopes)] }),
    defaultNote: "`system portable`, as systemd has it",
    formats: EXTENSION_FORMATS,
    isOurs: true,
    summary: "Where it may be merged.",
  }),
] as const;
