import { type ByteSource, bytesSource, compareCodeUnits, type CvmError, paddingTo } from "@cvm-build/bytes";
import { joinSources } from "./content.ts";
import { ukiError } from "./error.ts";
import { type SectionName, UKI_SECTIONS, type UkiSectionRule } from "./sections.ts";
import type { Stub } from "./stub.ts";

/** A section to be put into a UKI or an add-on. */
export interface SectionInput {
  name: SectionName;
  /**
   * One after the other. The parts of `.initrd` and `.ucode`, if there are several, each end at a multiple of four;
   * those of `.sbat` are tables, whose rows are merged with the stub's and the kernel's.
   */
  content: readonly ByteSource[];
}

/** A section with its bytes, in the place that it has in the file. */
export interface PlannedSection {
  name: SectionName;
  content: ByteSource;
}

/** Text sections larger than this are refused; systemd-stub holds them in memory, twice. */
const MAX_TEXT_BYTES = 1 << 20;

/** The tables of SBAT rows, which are merged, and all other sections, which are added. */
export function splitSbat(sections: readonly SectionInput[]): { sbatTables: string[]; others: SectionInput[] } {
  return {
    sbatTables: sections
      .filter(({ name }) => name === ".sbat")
      .flatMap(({ content }) => content.map((table) => table.read(0, table.sizeBytes).toString("utf8"))),
    others: sections.filter(({ name }) => name !== ".sbat"),
  };
}

/**
 * Checks the sections of an image, or of one of its profiles, and puts them into the order that they have in the file.
 * @throws CvmError `uki-section` where one cannot be as it is, `uki-stub` where the stub would ignore it
 */
export function orderSections(sections: readonly SectionInput[], stub: Stub): PlannedSection[] {
  const ordered = [...sections];
  ordered.sort(
    (a, b) => UKI_SECTIONS[a.name].fileRank - UKI_SECTIONS[b.name].fileRank || compareCodeUnits(a.name, b.name),
  );
  const planned: PlannedSection[] = [];
  for (const { name, content } of ordered) {
    const rule: UkiSectionRule = UKI_SECTIONS[name];
    checkKnown(name, rule, stub);
    if (!rule.repeats && planned.some((other) => other.name === name)) {
      throw sectionError(name, "expected it once, got it twice");
    }
    const whole = joinParts(content, rule);
    if (whole.sizeBytes === 0) {
      throw sectionError(name, "expected content, got 0 bytes", "leave the section out: an empty one counts as absent");
    }
    if (rule.text) checkText(name, whole);
    planned.push({ name, content: whole });
  }
  return planned;
}

/** What a section's content cannot be. */
export function sectionError(name: SectionName, expectation: string, hint?: string): CvmError {
  return ukiError("uki-section", `cannot add section "${name}": ${expectation}`, hint === undefined ? {} : { hint });
}

function checkKnown(name: SectionName, rule: UkiSectionRule, stub: Stub): void {
  const isAddon = stub.program === "systemd-addon";
  const since = isAddon ? rule.inAddonSince : rule.since;
  if (since === undefined) {
    throw sectionError(name, "expected a section that add-ons may have, got one that systemd-stub ignores there");
  }
  if (stub.version.major >= since) return;
  throw ukiError(
    "uki-stub",
    `cannot add section "${name}": expected ${stub.program} ${since} or later, got ${stub.version.text}`,
    { hint: "leave the section out, which this version ignores, or use a newer package systemd-boot-efi" },
  );
}

function joinParts(parts: readonly ByteSource[], { archives }: UkiSectionRule): ByteSource {
  const [only] = parts;
  if (only && parts.length === 1) return only;
  if (!archives) return joinSources(parts);
  return joinSources(parts.flatMap((part) => [part, bytesSource(Buffer.alloc(paddingTo(part.sizeBytes, 4)))]));
}

/** What follows a NUL is measured but never read, and what is not UTF-8 is read otherwise than it is written. */
function checkText(name: SectionName, content: ByteSource): void {
  if (content.sizeBytes > MAX_TEXT_BYTES) {
    throw sectionError(name, `expected at most ${MAX_TEXT_BYTES} bytes of text, got ${content.sizeBytes}`);
  }
  const text = decodeText(name, content.read(0, content.sizeBytes)).replace(/\0+$/, "");
  const nul = text.indexOf("\0");
  if (nul >= 0) throw sectionError(name, `expected text without NUL, got one at character ${nul}`);
  if (name === ".uname" && /\s/.test(text)) {
    throw sectionError(name, `expected a kernel release without blanks, got ${JSON.stringify(text)}`);
  }
}

function decodeText(name: SectionName, bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw sectionError(name, "expected UTF-8, got other bytes");
  }
}
