import { type ByteSource, FormatError, type HashAlgorithm } from "@cvm-build/bytes";
import { effectiveSections, readStubVersion, readUki, type SectionName, type UkiSections } from "@cvm-build/uki";
import { addAddonImages, addFirmwareEvents, addKernelImage } from "./boot-events.ts";
import { mangleCommandLine } from "./command-line.ts";
import { type Addon, addonsOf, bundlesOf, type EspFile } from "./companions.ts";
import { hashBanks } from "./digest-banks.ts";
import { Draft } from "./draft.ts";
import type { EventSource, MeasuredEvent } from "./event.ts";
import { addInitrd, addLoadOptions } from "./kernel-events.ts";
import { addPhases, foldPhases } from "./phase-events.ts";
import type { Prediction } from "./prediction.ts";
import { readWhole } from "./read-whole.ts";
import { replay } from "./registers.ts";
import { startImages, type StartedImage } from "./secure-boot.ts";
import {
  addAuthorities,
  addSecureBootVariables,
  isSecureBootOn,
  type SecureBootVariables,
} from "./secure-boot-variables.ts";
import { addAddonCommandLine, addAddonContents, addBundles, addonCommandLine, addSections } from "./stub-events.ts";
import { openRegisters } from "./unpredicted.ts";

/** A boot of a UKI from an EFI system partition by OVMF, with nothing else on the command line. */
export interface UkiOnEspOptions {
  banks: readonly HashAlgorithm[];
  /** Boot phases that userspace reaches, in order; empty where the initrd has no systemd. */
  phases: readonly string[];
  /** What firmware's Secure Boot variables hold; `false` where it is off and they are not known. */
  secureBoot: false | { variables: SecureBootVariables };
  /** Where the bytes of sections came from, beyond the section: file, package, setting. */
  sources?: Partial<Record<SectionName, EventSource>>;
  /** Where the UKI is on the partition. Default: `/EFI/BOOT/BOOTX64.EFI`. */
  ukiPath?: string;
  /** Add-ons, credentials and extensions beside it. */
  companions?: readonly EspFile[];
  /** How many threads may hash. Default: 1. */
  threads?: number;
}

/** Registers that a UKI on an ESP determines, with the Secure Boot variables where they are known. */
const PREDICTED_PCRS = [4, 7, 9, 11, 12, 13] as const;
/** First stub that knows add-ons. */
const ADDONS_SINCE = 254;

/** What is booted, read. */
interface Boot {
  ukiPath: string;
  sections: UkiSections;
  stubMajorVersion: number;
  companions: readonly EspFile[];
  addons: readonly Addon[];
  /** What let the UKI and its add-ons start, in that order; empty where Secure Boot is off. */
  authorities: readonly StartedImage[];
}

/**
 * Predicts PCR 4, 9, 11, 12 and 13 of a machine that boots a UKI, from the image's own bytes, and PCR 7 where the Secure
 * Boot variables are given. What cannot be told in advance, such as PCR 9 under a stub that adds a random secret, is named
 * with its reason and has no value.
 * @throws FormatError where the image is not a UKI with systemd-stub and a kernel; CvmError `secure-boot` where firmware
 * would not start it
 * @see systemd-stub(7), "TPM PCR Notes"
 */
export async function predictUkiOnEsp(image: ByteSource, options: UkiOnEspOptions): Promise<Prediction> {
  const uki = readUki(image);
  const stubMajorVersion = readStubVersion(uki.pe).major;
  const sections = effectiveSections(uki);
  const draft = new Draft();
  const companions = options.companions ?? [];
  const ukiPath = options.ukiPath ?? "/EFI/BOOT/BOOTX64.EFI";
  const present = stubMajorVersion >= ADDONS_SINCE ? addonsOf(companions, ukiPath) : [];
  const { secureBoot } = options;
  const { addons, authorities, refused } = startImages(
    { path: ukiPath, content: image },
    { addons: present, secureBoot },
  );
  const hasVariables = secureBoot !== false;
  const unpredicted = openRegisters({ stubMajorVersion, sections, companions, addons, hasVariables });
  draftEvents(draft, image, { ...options, ukiPath, sections, stubMajorVersion, companions, addons, authorities });
  const digests = await hashBanks(image, draft.streams, { banks: options.banks, threads: options.threads ?? 1 });
  const open = new Set(unpredicted.map(({ register }) => register));
  const events = [...draft.finish(digests)].filter(({ register }) => !open.has(register));
  return foldPrediction(events, { ...options, unpredicted, refused });
}

function draftEvents(
  draft: Draft,
  image: ByteSource,
  boot: Omit<UkiOnEspOptions, "ukiPath" | "companions"> & Boot,
): void {
  const { sections, stubMajorVersion, companions, ukiPath, addons, secureBoot } = boot;
  const sourceOf = (section: SectionName): EventSource => ({ section, ...boot.sources?.[section] });
  const kernel = sections.get(".linux");
  if (!kernel) throw new FormatError({ record: "UKI", field: ".linux" }, "expected a kernel");

  if (secureBoot) addSecureBootVariables(draft, secureBoot.variables);
  addAuthorities(draft, boot.authorities);
  addFirmwareEvents(draft, { image, ukiPath });
  const initrd = addSections(draft, sections, { stubMajorVersion, sourceOf });
  addAddonImages(draft, addons);
  const extra = addonCommandLine(addons, stubMajorVersion);
  addAddonCommandLine(draft, extra, addons);
  const archives = addBundles(draft, bundlesOf(companions, { ukiPath, stubMajorVersion }));
  addAddonContents(draft, addons);
  // With Secure Boot on the stub vouches for the kernel that it brings, and firmware neither verifies nor measures it.
  if (!secureBoot || !isSecureBootOn(secureBoot.variables)) {
    addKernelImage(draft, { section: kernel, source: sourceOf(".linux"), stubMajorVersion });
  }
  const own = sections.get(".cmdline")?.content;
  const commandLine = [own && mangleCommandLine(readWhole(own), stubMajorVersion), extra].filter(
    (part) => part !== undefined,
  );
  if (commandLine.length > 0) addLoadOptions(draft, commandLine.join(" "), sourceOf);
  addInitrd(draft, sections, { stubMajorVersion, sourceOf, archives, addons, initrd });
  addPhases(draft, boot.phases);
}

function foldPrediction(
  events: MeasuredEvent[],
  options: Pick<UkiOnEspOptions, "banks" | "phases"> & Pick<Prediction, "unpredicted" | "refused">,
): Prediction {
  const { banks, refused, unpredicted } = options;
  const open = new Set(unpredicted.map(({ register }) => register));
  const pcrs = PREDICTED_PCRS.filter((pcr) => !open.has(`pcr${pcr}`));
  const registers = { pcr: replay(events, { banks, pcrs }) };
  return { events, registers, phases: foldPhases(events, options), unpredicted, refused };
}
