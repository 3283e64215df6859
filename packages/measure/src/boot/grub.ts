import { readPe, readSbat } from "@cvm-build/uki";
import type { EspFile } from "../companions.ts";
import { readWhole } from "../read-whole.ts";
import { partsOfImage, REMOVABLE_MEDIA_PATH } from "./firmware-log.ts";
import { chosenEntry, type GrubEntry, parseGrubConfiguration } from "./grub-configuration.ts";
import type { BootDraft } from "./boot-draft.ts";
import type { GrubPath } from "./boot.ts";
import { addShim } from "./shim.ts";

/** The only GRUB whose measurements were compared with a real boot. */
const KNOWN_GRUB = /^grub,[0-9]+,[^\n]*,grub,2\.12[^0-9][^\n]*\n(?:[^\n]*\n)*grub\.debian,/m;

/**
 * Adds what is measured when firmware starts GRUB: each file that it reads into PCR 9, each command into PCR 8, and what
 * the kernel measures. Configurations other than plain lists of `set` and `menuentry` are not followed.
 * @see GRUB 2.12 manual, "Measuring boot components"
 */
export function addGrub(path: GrubPath, log: BootDraft): void {
  const { draft, open, firmware } = log;
  const { loader, loaderPath = REMOVABLE_MEDIA_PATH, configuration, kernel, initrd } = path;
  firmware.addBootAttempts();
  if (path.shim) {
    addShim(path.shim, log);
    open.leave([4], "how often shim measures a kernel that GRUB has it verify was not verified");
  }
  if (firmware.isSecure) open.leave([4, 7, 8, 9], "what GRUB does under Secure Boot was not verified");
  const authority = path.shim ? undefined : firmware.require(loaderPath, loader);
  const image = { path: loaderPath, source: { file: loaderPath }, parts: partsOfImage(loader), authority };
  firmware.addImage(image, { fromDisk: true });
  if (!KNOWN_GRUB.test(`${readSbat(readPe(loader)) ?? ""}\n`)) {
    open.leave([4, 8, 9], "only GRUB 2.12 of Debian was verified, and this one is not it");
  }
  const entries = parseGrubConfiguration(readWhole(configuration.content).toString("utf8"));
  const entry = entries && chosenEntry(entries);
  if (!entries || !entry || entry.kernelPath !== kernel.path || entry.initrdPath !== initrd?.path) {
    const expected = `expected "set" and "menuentry" with ${[kernel, initrd].flatMap((file) => file?.path ?? []).join(", ")}`;
    open.leave([8, 9], `${configuration.path} is not one whose commands can be followed: ${expected}`);
    return;
  }
  // GRUB looks for the file before it reads it, and what it opens it measures.
  for (let reads = 0; reads < 2; reads++) addFile(log, configuration);
  for (const { command } of entries.commands) addCommand(log, "grub_cmd", command);
  addEntry(log, entry, path);
  draft.add({
    pcr: 9,
    type: "EV_EVENT_TAG",
    label: "LOADED_IMAGE::LoadOptions",
    source: { file: configuration.path },
    // Unlike other loaders GRUB passes no NUL.
    digest: Buffer.from(`BOOT_IMAGE=${entry.commandLine}`, "utf16le"),
  });
  if (initrd) addInitrd(log, initrd, "EV_EVENT_TAG", "Linux initrd");
}

function addEntry(log: BootDraft, entry: GrubEntry, { kernel, initrd }: GrubPath): void {
  addCommand(log, "grub_cmd", `setparams ${entry.title}`);
  addCommand(log, "grub_cmd", `linux ${entry.commandLine}`);
  addFile(log, kernel);
  addCommand(log, "kernel_cmdline", entry.commandLine);
  if (!initrd) return;
  addCommand(log, "grub_cmd", `initrd ${initrd.path}`);
  addInitrd(log, initrd, "EV_IPL", initrd.path);
}

function addCommand({ draft }: BootDraft, kind: "grub_cmd" | "kernel_cmdline", text: string): void {
  const digest = Buffer.from(text, "utf8");
  draft.add({ pcr: 8, type: "EV_IPL", label: `${kind}: ${text}`, source: { constant: "command of GRUB" }, digest });
}

function addFile({ draft }: BootDraft, { path, content }: EspFile): void {
  draft.add({ pcr: 9, type: "EV_IPL", label: path, source: { file: path }, digest: readWhole(content) });
}

/** The initrd, which the ranges of the draft are of. */
function addInitrd({ draft }: BootDraft, { path, content }: EspFile, type: string, label: string): void {
  const digest = draft.hash([{ offsetBytes: 0, sizeBytes: content.sizeBytes }]);
  draft.add({ pcr: 9, type, label, source: { file: path }, digest });
}
