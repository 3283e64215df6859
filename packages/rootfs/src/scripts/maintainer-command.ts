import type { LiveCommand } from "./shell-walk.ts";

/** A command that a package's maintainer script would run on a first installation. */
export interface MaintainerCommand extends LiveCommand {
  package: string;
  script: "preinst" | "postinst";
}
