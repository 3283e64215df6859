import { type ByteSource, FormatError } from "@cvm-build/bytes";
import { sectionContent } from "./content.ts";
import { ukiError } from "./error.ts";
import { ASSEMBLED_MACHINES, machineOf } from "./machine.ts";
import { type PeImage, readPe } from "./pe/reader.ts";

/** The systemd-stub that a UKI was made from, as its `.sdmagic` section states it. */
export interface StubVersion {
  /** As written: `257.13-1~deb13u1`. */
  text: string;
  /** 257. What is measured depends on it alone. */
  major: number;
}

/** A program of systemd that names itself in `.sdmagic`. */
export interface LoaderInfo {
  /** `systemd-stub`, `systemd-addon` or `systemd-boot`. */
  program: string;
  version: StubVersion;
}

/** What sections are added to: the start of a UKI, or of an add-on. */
export interface Stub extends LoaderInfo {
  image: PeImage;
}

/** Largest `.sdmagic` that is looked at; real ones have about fifty bytes. */
const MAX_MAGIC_BYTES = 1024;
const MAGIC = /^#### LoaderInfo: (systemd-[a-z]+) ([0-9]{1,5})([^ #]*) ####$/;
/** The file of each stub on x86-64, in the package systemd-boot-efi. */
const STUB_FILES = { "systemd-stub": "linuxx64.efi.stub", "systemd-addon": "addonx64.efi.stub" } as const;

/**
 * Opens a stub to add sections to.
 * @throws CvmError `uki-stub` where it is another program, or for a machine that images are not assembled for
 */
export function openStub(source: ByteSource, program: keyof typeof STUB_FILES): Stub {
  const hint = `use ${STUB_FILES[program]} of the package systemd-boot-efi`;
  const stub = readStub(source, { program, hint });
  const machine = machineOf(stub.image);
  if (ASSEMBLED_MACHINES.includes(machine)) return stub;
  throw ukiError("uki-stub", `cannot use stub: expected ${ASSEMBLED_MACHINES.join(" or ")}, got ${machine}`, { hint });
}

function readStub(source: ByteSource, { program, hint }: { program: string; hint: string }): Stub {
  try {
    const image = readPe(source);
    const info = findLoaderInfo(image);
    if (info?.program === program) return { image, ...info };
    throw noStub(`expected ${program} to name itself, got ${info?.program ?? "no section .sdmagic that does"}`, hint);
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    throw ukiError("uki-stub", `cannot use stub: expected ${program}, got something else (${error.message})`, {
      hint,
      cause: error,
    });
  }
}

/**
 * Reads the version of the systemd-stub in a PE image, be it the stub alone or a UKI.
 * @throws FormatError where the image holds no systemd-stub
 * @see systemd, src/boot/stub.c, the `.sdmagic` section
 */
export function readStubVersion(image: PeImage): StubVersion {
  const version = findStubVersion(image);
  if (version) return version;
  throw noStub(
    `expected a section .sdmagic with "#### LoaderInfo: systemd-stub <version> ####"`,
    `use ${STUB_FILES["systemd-stub"]} of the package systemd-boot-efi`,
  );
}

/** As `readStubVersion`, but undefined where the image holds no systemd-stub. */
export function findStubVersion(image: PeImage): StubVersion | undefined {
  const info = findLoaderInfo(image);
  return info?.program === "systemd-stub" ? info.version : undefined;
}

/** What a PE image of systemd says of itself, or undefined where it is of others. */
export function findLoaderInfo(image: PeImage): LoaderInfo | undefined {
  const section = image.sections.find(({ name }) => name === ".sdmagic");
  if (!section) return undefined;
  const content = sectionContent(image.source, section);
  const text = content.read(0, Math.min(content.sizeBytes, MAX_MAGIC_BYTES)).toString("latin1");
  const [, program, major, rest] = MAGIC.exec(text.split("\0")[0] ?? "") ?? [];
  if (program === undefined || major === undefined) return undefined;
  return { program, version: { text: `${major}${rest ?? ""}`, major: Number(major) } };
}

/** Reads the version of the systemd-stub in a file. @throws FormatError where it holds none */
export function stubVersionOf(source: ByteSource): StubVersion {
  return readStubVersion(readPe(source));
}

function noStub(expectation: string, hint: string): FormatError {
  return new FormatError({ record: "stub", field: ".sdmagic" }, expectation, { hint });
}
