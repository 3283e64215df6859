import type { PackageFinisher } from "../finisher.ts";
import { finisherEditor } from "./editor.ts";

/** The units that offer a login, and how each of them calls agetty. */
const GETTY_COMMANDS = {
  "console-getty.service": "--noclear --keep-baud - 115200,38400,9600 ${TERM}",
  "getty@.service": "--noclear - ${TERM}",
  "serial-getty@.service": "--keep-baud 115200,57600,38400,9600 - ${TERM}",
} as const;

/** `Autologin=`: drop-ins with which every console logs root in without a question. Login checks no password with -f. */
export const autologinFinisher: PackageFinisher = {
  name: "autologin",
  replaces: [],
  finish(tree, context) {
    const editor = finisherEditor(tree, this.name, context);
    if (!context.profile.content.autologin) return editor.effect("off");
    for (const [unit, options] of Object.entries(GETTY_COMMANDS)) {
      const command = `-/sbin/agetty --autologin root -o '-f -- \\\\u' ${options}`;
      const text = `[Service]\nExecStart=\nExecStart=${command}\n`;
      editor.writeFile(`/etc/systemd/system/${unit}.d/autologin.conf`, text);
    }
    return editor.effect("root, on every console");
  },
};
