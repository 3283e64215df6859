import { type ByteSource, FormatError } from "@cvm-build/bytes";
import { sectionContent } from "./content.ts";
import { type PeImage, readPe } from "./pe/reader.ts";

/** The systemd-stub that a UKI was made from, as its `.sdmagic` section states it. */
export interface StubVersion {
  /** As written: `257.13-1~deb13u1`. */
  text: string;
  /** 257. What is measured depends on it alone. */
  major: number;
}

/** Largest `.sdmagic` that is looked at; real ones have about fifty bytes. */
const MAX_MAGIC_BYTES = 1024;
const MAGIC = /^#### LoaderInfo: systemd-stub ([0-9]{1,5})([^ #]*) ####$/;

/**
 * Reads the version of the systemd-stub in a PE image, be it the stub alone or a UKI.
 * @throws FormatError where the image holds no systemd-stub
 * @see systemd, src/boot/stub.c, the `.sdmagic` section
 */
export function readStubVersion(image: PeImage): StubVersion {
  const version = findStubVersion(image);
  if (version) return version;
  throw new FormatError(
    { record: "stub", field: ".sdmagic" },
    `expected a section .sdmagic with "#### LoaderInfo: systemd-stub <version> ####"`,
    { hint: "use linuxx64.efi.stub of the package systemd-boot-efi" },
  );
}

/** As `readStubVersion`, but undefined where the image holds no systemd-stub. */
export function findStubVersion(image: PeImage): StubVersion | undefined {
  const section = image.sections.find(({ name }) => name === ".sdmagic");
  if (!section) return undefined;
  const content = sectionContent(image.source, section);
  const text = content.read(0, Math.min(content.sizeBytes, MAX_MAGIC_BYTES)).toString("latin1");
  const match = MAGIC.exec(text.split("\0")[0] ?? "");
  const [, major, rest] = match ?? [];
  return major === undefined ? undefined : { text: `${major}${rest ?? ""}`, major: Number(major) };
}

/** Reads the version of the systemd-stub in a file. @throws FormatError where it holds none */
export function stubVersionOf(source: ByteSource): StubVersion {
  return readStubVersion(readPe(source));
}
