import { alignUp, type ByteSource, bytesSource, compareCodeUnits, type CvmError } from "@cvm-build/bytes";
import { ukiError } from "./error.ts";

/** A file that holds microcode. */
export interface MicrocodeFile {
  /** What errors call it, and what orders microcode of one vendor. */
  name: string;
  content: ByteSource;
}

/** Where the kernel looks for microcode in the first initrd, by vendor. @see Linux, Documentation/arch/x86/microcode.rst */
const VENDOR_FILES = { intel: "GenuineIntel.bin", amd: "AuthenticAMD.bin" } as const;
const FOLDER = "kernel/x86/microcode";
type Vendor = keyof typeof VENDOR_FILES;

/** All microcode of a vendor together has about 15 MB. */
const MAX_BYTES = 1 << 26;
/** An update is loaded from where it stands in memory. @see Intel SDM, volume 3, "Microcode Update Loader" */
const CONTENT_ALIGNMENT = 16;
const HEADER_BYTES = 110;
/** `DMA\0`, how a container of AMD begins. @see Linux, arch/x86/kernel/cpu/microcode/amd.c, `UCODE_MAGIC` */
const AMD_MAGIC = 0x0041_4d44;
/** Header version and loader revision of an update of Intel, and where the second stands. */
const INTEL_HEADER = { version: 1, loaderRevision: 1, loaderRevisionOffset: 20, sizeBytes: 48 } as const;
const CPIO_MAGIC = /^07070[12]$/;

/**
 * Makes `.ucode`: the uncompressed cpio archive that the kernel takes microcode from before it unpacks any initrd.
 * Archives of that kind are taken as they are, in order; updates of a vendor are put into one, those of Intel first.
 * @param files archives such as `intel-ucode.img`, or updates such as `/lib/firmware/intel-ucode/06-8f-08`
 * @returns sources to be the content of `.ucode`; equal files give equal bytes
 * @throws CvmError `uki-section` where one holds no microcode
 */
export function microcodeArchives(files: readonly MicrocodeFile[]): ByteSource[] {
  const archives: ByteSource[] = [];
  const updates: Record<Vendor, { name: string; bytes: Buffer }[]> = { intel: [], amd: [] };
  for (const { name, content } of files) {
    if (content.sizeBytes > MAX_BYTES) {
      throw noMicrocode(name, `expected at most ${MAX_BYTES} bytes, got ${content.sizeBytes}`);
    }
    const bytes = content.read(0, content.sizeBytes);
    const vendor = vendorOf(bytes);
    if (vendor) updates[vendor].push({ name, bytes });
    else {
      checkArchive(name, bytes);
      archives.push(content);
    }
  }
  const entries = (["intel", "amd"] as const).flatMap((vendor) => {
    const found = updates[vendor];
    found.sort((a, b) => compareCodeUnits(a.name, b.name));
    const content = Buffer.concat(found.map(({ bytes }) => bytes));
    return found.length > 0 ? [{ path: `${FOLDER}/${VENDOR_FILES[vendor]}`, content }] : [];
  });
  return entries.length > 0 ? [bytesSource(encodeArchive(entries)), ...archives] : archives;
}

function vendorOf(bytes: Buffer): Vendor | undefined {
  if (bytes.length < INTEL_HEADER.sizeBytes) return undefined;
  if (bytes.readUInt32LE(0) === AMD_MAGIC) return "amd";
  const isIntel =
    bytes.readUInt32LE(0) === INTEL_HEADER.version &&
    bytes.readUInt32LE(INTEL_HEADER.loaderRevisionOffset) === INTEL_HEADER.loaderRevision;
  return isIntel ? "intel" : undefined;
}

/** The kernel finds microcode in an uncompressed archive alone, by its path. */
function checkArchive(name: string, bytes: Buffer): void {
  if (!CPIO_MAGIC.test(bytes.toString("latin1", 0, 6))) {
    throw noMicrocode(name, "expected an uncompressed cpio archive or an update of Intel or AMD, got something else");
  }
  const paths = Object.values(VENDOR_FILES).map((file) => `${FOLDER}/${file}`);
  if (paths.some((path) => bytes.includes(`${path}\0`))) return;
  throw noMicrocode(name, `expected ${paths.join(" or ")} in it, got neither`);
}

function encodeArchive(files: readonly { path: string; content: Buffer }[]): Buffer {
  const folders = FOLDER.split("/").map((_, index, parts) => parts.slice(0, index + 1).join("/"));
  const entries = [
    ...folders.map((path) => ({ path, mode: 0o040755, content: Buffer.alloc(0) })),
    ...files.map((file) => ({ ...file, mode: 0o100644 })),
    { path: "TRAILER!!!", mode: 0, content: Buffer.alloc(0) },
  ];
  const pieces: Buffer[] = [];
  let offset = 0;
  for (const [index, entry] of entries.entries()) {
    const piece = encodeEntry({ ...entry, inode: entry.mode === 0 ? 0 : index + 1, offset });
    offset += piece.length;
    pieces.push(piece);
  }
  return Buffer.concat(pieces);
}

/**
 * One entry of the archive. NULs behind the path bring its content to where an update may stand.
 * @see cpio(5), "New ASCII Format"
 */
function encodeEntry(entry: { path: string; mode: number; inode: number; content: Buffer; offset: number }): Buffer {
  const { path, mode, inode, content, offset } = entry;
  const alignment = content.length > 0 ? CONTENT_ALIGNMENT : 4;
  const contentOffset = alignUp(offset + HEADER_BYTES + path.length + 1, alignment) - offset;
  const nameBytes = content.length > 0 ? contentOffset - HEADER_BYTES : path.length + 1;
  const fields = [inode, mode, 0, 0, 1, 0, content.length, 0, 0, 0, 0, nameBytes, 0];
  const bytes = Buffer.alloc(alignUp(contentOffset + content.length, 4));
  bytes.write(`070701${fields.map((field) => field.toString(16).padStart(8, "0")).join("")}${path}`, "latin1");
  content.copy(bytes, contentOffset);
  return bytes;
}

function noMicrocode(name: string, expectation: string): CvmError {
  return ukiError("uki-section", `cannot read microcode "${name}": ${expectation}`, {
    hint: "use files of the packages intel-microcode or amd64-microcode",
  });
}
