import { readFileSync } from "node:fs";
import { type ByteSource, bytesSource } from "@cvm-build/bytes";
import type { Profile } from "@cvm-build/profile";
import { fileSections } from "./file-sections.ts";
import { assembleUki, type SectionInput, SECTION_NAMES, type SectionName } from "@cvm-build/uki";
import type { ImageSigners } from "./signing.ts";

/** Sections by name; those without content are left out of an image. */
type Sections = Partial<Record<SectionName, ByteSource>>;

/** What a UKI is made of, but for the policies that are signed for it. */
export interface UkiPlan {
  stub: Buffer;
  /** What all profiles share; all of it where there are none. */
  shared: Sections;
  /** Sections from files, which all profiles share too. */
  fromFiles: SectionInput[];
  /** Each begins with `.profile`; the first is the image as it is without profiles. */
  profiles: Sections[];
  /** Of each way to boot, in the order of the profiles, whether policies are signed for it. */
  hasPolicies: boolean[];
}

/** What the first profile of a multi-profile UKI is called, as mkosi calls it. */
const MAIN_PROFILE = ["ID=main", "TITLE=Main"];

/** Plans the UKI that a profile describes. */
export function planUki(build: {
  profile: Profile;
  /** The image's own, never the building machine's. */
  osRelease: ByteSource;
  kernel: { image: Buffer; release: string };
  stub: Buffer;
  initrd: ByteSource;
  signers: ImageSigners;
}): UkiPlan {
  const { profile, osRelease, kernel, stub, initrd, signers } = build;
  const { uki, ukiProfiles } = profile;
  const commandLine = (more: readonly string[]) => [...profile.content.kernelCommandLine, ...more].join(" ");
  const isSigned = signers.pcr.length > 0;
  return {
    stub,
    shared: {
      ".linux": bytesSource(kernel.image),
      ".osrel": osRelease,
      ".cmdline": textSource(commandLine([])),
      ".initrd": initrd,
      ".uname": textSource(kernel.release),
      ...(uki.splash !== undefined && { ".splash": bytesSource(readFileSync(uki.splash)) }),
      ...policyKey(signers),
    },
    fromFiles: fileSections(uki),
    profiles:
      ukiProfiles.length === 0
        ? []
        : [
            { ".profile": textSource(lines(MAIN_PROFILE)) },
            ...ukiProfiles.map(({ fields, kernelCommandLine }) => ({
              ".profile": textSource(lines(fields)),
              ...(kernelCommandLine.length > 0 && { ".cmdline": textSource(commandLine(kernelCommandLine)) }),
            })),
          ],
    hasPolicies: [isSigned, ...ukiProfiles.map(({ signExpectedPcr }) => isSigned && signExpectedPcr)],
  };
}

/**
 * Writes a planned UKI.
 * @param policies what goes into `.pcrsig` for each way to boot, where there is any
 */
export function assemblePlan(
  { stub, shared, fromFiles, profiles }: UkiPlan,
  { policies, output }: { policies: readonly (string | undefined)[]; output: string },
): void {
  const signatures = policies.map((policy): Sections =>
    policy === undefined ? {} : { ".pcrsig": textSource(policy) },
  );
  assembleUki({
    stub: bytesSource(stub),
    sections: joinInitrds([...inputsOf({ ...shared, ...(profiles.length === 0 && signatures[0]) }), ...fromFiles]),
    profiles: profiles.map((sections, index) => ({ sections: inputsOf({ ...sections, ...signatures[index] }) })),
    output,
  });
}

/** Several initrds are one section: the kernel unpacks one after the other. */
function joinInitrds(sections: readonly SectionInput[]): SectionInput[] {
  const initrds = sections.filter(({ name }) => name === ".initrd");
  const others = sections.filter(({ name }) => name !== ".initrd");
  if (initrds.length === 0) return others;
  return [...others, { name: ".initrd", content: initrds.flatMap(({ content }) => content) }];
}

function inputsOf(sections: Sections): SectionInput[] {
  return SECTION_NAMES.flatMap((name) => {
    const content = sections[name];
    return content && content.sizeBytes > 0 ? [{ name, content: [content] }] : [];
  });
}

/** The public key that the guest trusts policies of. */
function policyKey({ pcr: [signer] }: ImageSigners): Sections {
  return signer ? { ".pcrpkey": textSource(String(signer.publicKey.export({ type: "spki", format: "pem" }))) } : {};
}

function textSource(text: string): ByteSource {
  return bytesSource(Buffer.from(text));
}

function lines(fields: readonly string[]): string {
  return fields.map((field) => `${field}\n`).join("");
}
