import { FormatError } from "@cvm-build/bytes";
import { effectiveSections, readStubVersion, readUki, type SectionName } from "@cvm-build/uki";
import { addKernelImage } from "../boot-events.ts";
import { mangleCommandLine } from "../command-line.ts";
import { addonsOf, bundlesOf } from "../companions.ts";
import type { Draft } from "../draft.ts";
import type { EventSource } from "../event.ts";
import { addInitrd, addLoadOptions } from "../kernel-events.ts";
import type { Refusal } from "../prediction.ts";
import { readWhole } from "../read-whole.ts";
import {
  addAddonContents,
  addBundles,
  addCommandLine,
  addonCommandLines,
  addProfile,
  addSections,
} from "../stub-events.ts";
import type { Boot } from "./boot.ts";
import { type FirmwareLog, partsOfImage } from "./firmware-log.ts";
import type { OpenRegisters } from "./open-registers.ts";
import { readPassedOptions } from "./passed-options.ts";
import { leaveStubOpen } from "./stub-doubts.ts";
import type { StartedUki, StubView } from "./stub-view.ts";

/** First stub that knows add-ons, and strings of SMBIOS. */
const ADDONS_SINCE = 254;
const SMBIOS_EXTRA = "io.systemd.stub.kernel-cmdline-extra=";

/**
 * Adds what systemd-stub measures, and what the kernel measures of what the stub hands to it.
 * @returns what Secure Boot keeps from having an effect
 * @throws FormatError where the image is not a UKI with systemd-stub, a kernel and the profile that is chosen
 * @see systemd-stub(7), "TPM PCR Notes"
 */
export function addStub(
  uki: StartedUki,
  log: { draft: Draft; open: OpenRegisters; firmware: FirmwareLog; boot: Boot },
): Refusal[] {
  const { draft, firmware, boot } = log;
  const refused: Refusal[] = [];
  const view = viewOf(uki, { firmware, boot, refused });
  leaveStubOpen(log.open, view, uki, boot);
  const { sections, stubMajorVersion, addons, accepted, smbiosExtra, commandLine } = view;
  const sourceOf = (section: SectionName): EventSource => ({ section, ...boot.sources?.[section] });

  addProfile(draft, view.passed.profile);
  const initrd = addSections(draft, sections, { stubMajorVersion, sourceOf });
  if (accepted !== undefined) addCommandLine(draft, accepted, { constant: "passed command line" });
  for (const { path, content } of addons) {
    const verdict = firmware.judge(content);
    const authority = verdict && "authority" in verdict ? verdict.authority : undefined;
    firmware.addImage({ path, source: { file: path }, parts: partsOfImage(content), authority }, { fromDisk: true });
  }
  for (const { text, files } of addonCommandLines(addons, stubMajorVersion)) {
    addCommandLine(draft, text, { file: files.join(" ") });
  }
  if (smbiosExtra !== undefined) addCommandLine(draft, smbiosExtra, { constant: "SMBIOS string" });
  const place = { ukiPath: uki.path ?? "", stubMajorVersion };
  const archives = addBundles(draft, uki.path === undefined ? [] : bundlesOf(uki.companions, place));
  addAddonContents(draft, addons, stubMajorVersion);
  // With Secure Boot on the stub vouches for the kernel that it brings, and firmware neither verifies nor measures it.
  const kernel = sections.get(".linux");
  if (kernel && !firmware.isSecure) {
    addKernelImage(draft, { section: kernel, source: sourceOf(".linux"), stubMajorVersion });
  }
  if (commandLine !== undefined) addLoadOptions(draft, commandLine, sourceOf(".cmdline"));
  addInitrd(draft, sections, { stubMajorVersion, sourceOf, archives, addons, initrd });
  return refused;
}

function viewOf(
  uki: StartedUki,
  { firmware, boot, refused }: { firmware: FirmwareLog; boot: Boot; refused: Refusal[] },
): StubView {
  const read = readUki(uki.image);
  const stubMajorVersion = readStubVersion(read.pe).major;
  const passed = readPassedOptions(uki.passed, stubMajorVersion);
  if (passed.profile > 0 && !read.profiles[passed.profile]) {
    const expectation = `expected a profile ${passed.profile}, got ${read.profiles.length} of them`;
    throw new FormatError({ record: "UKI", field: ".profile" }, expectation);
  }
  const sections = effectiveSections(read, passed.profile);
  if (!sections.has(".linux")) throw new FormatError({ record: "UKI", field: ".linux" }, "expected a kernel");
  const present = uki.path !== undefined && stubMajorVersion >= ADDONS_SINCE ? addonsOf(uki.companions, uki.path) : [];
  const addons = present.filter(({ path, content }) => {
    const verdict = firmware.judge(content);
    if (!verdict || "authority" in verdict) return true;
    refused.push({ path, reason: verdict.refusal });
    return false;
  });
  const isConfidential = (boot.machine?.guest ?? "plain") !== "plain";
  const isRefused =
    passed.commandLine !== undefined && firmware.isSecure && (sections.has(".cmdline") || isConfidential);
  if (isRefused) {
    const reason = isConfidential ? "one for a confidential machine" : "one beside the UKI's own";
    refused.push({ path: `command line "${passed.commandLine}"`, reason });
  }
  const accepted = isRefused ? undefined : passed.commandLine;
  const own = sections.get(".cmdline")?.content;
  const smbiosExtra = isConfidential ? undefined : smbiosExtraOf(boot, stubMajorVersion);
  const words = [
    accepted ?? (own && mangleCommandLine(readWhole(own), stubMajorVersion)),
    ...addonCommandLines(addons, stubMajorVersion).map(({ text }) => text),
    smbiosExtra,
  ].filter((part) => part !== undefined);
  const commandLine = words.length === 0 ? undefined : words.join(" ");
  return { sections, stubMajorVersion, passed, accepted, addons, smbiosExtra, commandLine };
}

function smbiosExtraOf(boot: Boot, stubMajorVersion: number): string | undefined {
  if (stubMajorVersion < ADDONS_SINCE) return undefined;
  const extra = boot.machine?.smbiosStrings?.find((text) => text.startsWith(SMBIOS_EXTRA));
  return extra && mangleCommandLine(Buffer.from(extra.slice(SMBIOS_EXTRA.length)), stubMajorVersion);
}
