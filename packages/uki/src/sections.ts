/** What `UKI_SECTIONS` says of one section. */
export interface UkiSectionRule {
  /** Place in the file, from the front: ukify's order. */
  fileRank: number;
  /**
   * First major version of systemd-stub that acts on it. An older one ignores it without a word. Sections that only
   * others read (shim, bootctl, kernel-install) go with every stub.
   */
  since: number;
  /** First major version of systemd-stub that takes it from an add-on; undefined: none does. */
  inAddonSince: number | undefined;
  /** First major version of systemd-stub that measures it into PCR 11; undefined: none does. */
  measuredSince: number | undefined;
  /** Chosen by the stub only where the machine's hardware ids match; a virtual machine's never do. */
  hardwareMatched: boolean;
  /** May stand in an image several times: the stub chooses one. */
  repeats: boolean;
  /** UTF-8 that the stub or userspace reads up to the first NUL. */
  text: boolean;
  /** cpio archives in a row, each of which starts at a multiple of four. */
  archives: boolean;
  /** The kernel is code, all else is data. */
  code: boolean;
  /** May be part of the stub, and is then replaced in its place. */
  inStub: boolean;
}

const data = {
  since: 252,
  inAddonSince: undefined,
  measuredSince: 252,
  hardwareMatched: false,
  repeats: false,
  text: false,
  archives: false,
  code: false,
  inStub: false,
} as const;

/**
 * Every section of a unified kernel image, in the order in which systemd-stub measures them. The assembler, the
 * reader, the command line and the prediction of PCR 11 all read this table.
 * @see UAPI Unified Kernel Image, "UKI Components"
 * @see systemd, src/fundamental/uki.h, of versions 252 to 262
 */
export const UKI_SECTIONS = {
  ".linux": { ...data, fileRank: 10, code: true },
  ".osrel": { ...data, fileRank: 1, text: true },
  ".cmdline": { ...data, fileRank: 2, text: true, inAddonSince: 254 },
  ".initrd": { ...data, fileRank: 11, archives: true, inAddonSince: 257 },
  ".ucode": { ...data, fileRank: 13, archives: true, since: 256, measuredSince: 256, inAddonSince: 257 },
  ".splash": { ...data, fileRank: 8 },
  ".dtb": { ...data, fileRank: 3, inAddonSince: 255 },
  ".uname": { ...data, fileRank: 7, text: true, measuredSince: 254, inAddonSince: 254 },
  ".sbat": { ...data, fileRank: 14, measuredSince: 254, inStub: true, inAddonSince: 254 },
  ".pcrsig": { ...data, fileRank: 16, measuredSince: undefined },
  ".pcrpkey": { ...data, fileRank: 9 },
  ".profile": { ...data, fileRank: 15, text: true, since: 257, measuredSince: 257 },
  ".dtbauto": {
    ...data,
    fileRank: 4,
    since: 257,
    measuredSince: 257,
    inAddonSince: 257,
    hardwareMatched: true,
    repeats: true,
  },
  ".hwids": { ...data, fileRank: 5, since: 257, measuredSince: 257, inAddonSince: 257 },
  ".efifw": { ...data, fileRank: 12, since: 258, measuredSince: 258, hardwareMatched: true, repeats: true },
} as const satisfies Record<string, UkiSectionRule>;

/** Name of a section that the UKI specification defines. */
export type SectionName = keyof typeof UKI_SECTIONS;

/** Every section name, in the order in which systemd-stub measures them. */
export const SECTION_NAMES = Object.keys(UKI_SECTIONS) as readonly SectionName[];

/** Says whether the UKI specification defines a section of that name. */
export function isSectionName(name: string): name is SectionName {
  return Object.hasOwn(UKI_SECTIONS, name);
}

/**
 * The sections that a stub of that major version measures where they are present, in its order. Those chosen by
 * hardware match are left out: no virtual machine chooses them.
 */
export function measuredSections(stubMajorVersion: number): SectionName[] {
  return SECTION_NAMES.filter((name) => {
    const { measuredSince, hardwareMatched }: UkiSectionRule = UKI_SECTIONS[name];
    return measuredSince !== undefined && measuredSince <= stubMajorVersion && !hardwareMatched;
  });
}
