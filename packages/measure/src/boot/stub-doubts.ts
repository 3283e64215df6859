import type { SectionName } from "@cvm-build/uki";
import { mangleCommandLine } from "../command-line.ts";
import { readWhole } from "../read-whole.ts";
import { ADDON_CONTENTS_SINCE } from "../stub-events.ts";
import type { Boot } from "./boot.ts";
import { FIRST_KERNEL, kernelBefore } from "./kernel-version.ts";
import type { OpenRegisters } from "./open-registers.ts";
import type { StartedUki, StubView } from "./stub-view.ts";

/** Versions of systemd-stub whose measurements were compared with real boots, or read in source between such. */
const KNOWN_STUBS = { first: 252, last: 262 } as const;
/** First stub that may add a random secret to the initrd, and consoles to the command line. */
const BOOT_SECRET_SINCE = 261;

/** Leaves open what this UKI's stub and kernel do not determine, or what nobody has verified of them. */
export function leaveStubOpen(open: OpenRegisters, view: StubView, uki: StartedUki, boot: Boot): void {
  const { stubMajorVersion, sections, addons, passed } = view;
  if (stubMajorVersion < KNOWN_STUBS.first || stubMajorVersion > KNOWN_STUBS.last) {
    const known = `${KNOWN_STUBS.first} to ${KNOWN_STUBS.last}`;
    open.leave([4, 9, 11, 12, 13], `what systemd-stub ${stubMajorVersion} measures is not known; ${known} are`);
  }
  if (stubMajorVersion >= BOOT_SECRET_SINCE) leaveRandomOpen(open, view, uki, boot);
  if (sections.has(".efifw")) open.leave([11], ".efifw is measured only where it matches the machine's hardware ids");
  if (passed.doubt !== undefined) open.leave([9, 11, 12], passed.doubt);
  if (uki.companions.length > 0 && uki.path !== undefined) leaveCompanionsOpen(open, view, uki);
  for (const { path, sections: brought } of addons) {
    if ([".uname", ".dtb", ".dtbauto", ".linux"].some((name) => brought.has(name as SectionName))) {
      open.leave([9, 12], `add-on ${path} takes effect only on some kernels or machines`);
    }
    const text = brought.get(".cmdline");
    if (text && mangleCommandLine(text, stubMajorVersion) === undefined) {
      open.leave(
        [9, 12],
        `what systemd-stub makes of the command line of ${path}, blank or not ASCII, was not verified`,
      );
    }
  }
  const release = kernelBefore(FIRST_KERNEL, sections.get(".linux")?.content);
  if (release !== undefined) open.leave([9], `what Linux ${release} measures was not verified; ${FIRST_KERNEL} was`);
  const cmdline = sections.get(".cmdline")?.content;
  const own = cmdline && mangleCommandLine(readWhole(cmdline), stubMajorVersion);
  if (cmdline && own === undefined && view.accepted === undefined) {
    open.leave(
      [9],
      "what systemd-stub makes of a command line that is blank, not ASCII or starts with a space differs by version",
    );
  }
}

/** A secret that the stub makes, and consoles that it finds. */
function leaveRandomOpen(open: OpenRegisters, view: StubView, uki: StartedUki, boot: Boot): void {
  const stub = `systemd-stub ${view.stubMajorVersion}`;
  const has = (path: string) => uki.companions.some((file) => file.path.toLowerCase() === path);
  const hasSeed = boot.firmware?.hasRandom !== false || has("/loader/random-seed");
  const hasPlace = boot.disk?.isReadOnly !== true || has("/loader/secret-mixin");
  if (uki.path !== undefined && hasSeed && hasPlace) {
    open.leave([9], `${stub} adds a secret to the initrd that is random at each boot`);
  }
  if (!/(^| )console=/.test(view.commandLine ?? "")) {
    open.leave([9], `${stub} adds the consoles that it finds to a command line without "console="`);
  }
}

function leaveCompanionsOpen(open: OpenRegisters, view: StubView, uki: StartedUki): void {
  const { stubMajorVersion, addons } = view;
  if (stubMajorVersion === 253) {
    open.leave([4, 9, 12, 13], `how systemd-stub ${stubMajorVersion} measures files beside a UKI was not verified`);
  }
  const bringing = addons.find(({ sections }) => sections.has(".ucode") || sections.has(".initrd"));
  if (bringing && stubMajorVersion < ADDON_CONTENTS_SINCE) {
    const doubt = `whether systemd-stub ${stubMajorVersion} takes microcode or initrds from ${bringing.path} was not verified`;
    open.leave([9, 12], doubt);
  }
  const legacy = uki.companions.find(({ path }) => /^\/loader\/extensions\/.*(?<!\.(sys|conf)ext)\.raw$/i.test(path));
  if (legacy && stubMajorVersion >= 258) {
    open.leave([9, 13], `whether systemd-stub ${stubMajorVersion} takes ${legacy.path} was not verified`);
  }
}
