import { compareUtf8 } from "@cvm-build/fs-writer";
import type { PackageFinisher } from "../finisher.ts";
import { finisherEditor } from "./editor.ts";
import { formatPamStack, PAM_STACKS, parsePamProfile, type PamStack } from "./pam-profiles.ts";

const TEMPLATES = "/usr/share/pam";
const PROFILES = "/usr/share/pam-configs";

/** /etc/pam.d/common-*: libpam-runtime's templates with the profiles that are on by default. */
export const pamFinisher: PackageFinisher = {
  name: "pam",
  replaces: ["pam-auth-update"],
  finish(tree, context) {
    const editor = finisherEditor(tree, this.name, context);
    const profiles = tree
      .list(PROFILES)
      .map((name) => ({ name, profile: parsePamProfile(editor.readText(`${PROFILES}/${name}`) ?? "") }))
      .filter(({ profile }) => profile["Default"] === "yes")
      .sort((a, b) => priority(b.profile) - priority(a.profile) || compareUtf8(a.name, b.name));
    for (const stack of Object.keys(PAM_STACKS) as PamStack[]) {
      const template = editor.readText(`${TEMPLATES}/common-${stack}`);
      const target = `/etc/pam.d/common-${stack}`;
      if (template === undefined || editor.has(target)) continue;
      const text = formatPamStack(
        template,
        stack,
        profiles.map(({ profile }) => profile),
      );
      if (text !== undefined) editor.writeFile(target, text);
    }
    return editor.effect(profiles.map(({ name }) => name).join(", ") || "no profiles");
  },
};

function priority(profile: Readonly<Record<string, string>>): number {
  return Number.parseInt(profile["Priority"] ?? "0", 10) || 0;
}
