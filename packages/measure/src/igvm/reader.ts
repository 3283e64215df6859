import { crc32 } from "node:zlib";
import { alignUp, FormatError, type RecordType } from "@cvm-build/bytes";
import { PAGE_BYTES } from "../firmware/sev-metadata.ts";
import {
  ARCHITECTURES,
  DIRECTIVE_HEADERS,
  type DirectiveHeader,
  FixedHeader,
  FixedHeaderV2,
  HEADER_RANGES,
  IGVM_LIMITS,
  IGVM_MAGIC,
  INITIALIZATION_HEADERS,
  type InitializationHeader,
  OPTIONAL_HEADER,
  PAGE_DATA_FLAGS,
  PAGE_DATA_TYPES,
  PLATFORM_HEADERS,
  PLATFORM_TYPES,
  type PlatformHeader,
  type PlatformType,
  VariableHeader,
} from "./format.ts";

/** A file of an isolated guest. */
export interface IgvmFile {
  formatVersion: 1 | 2;
  architecture: (typeof ARCHITECTURES)[number];
  platforms: PlatformHeader[];
  initializations: InitializationHeader[];
  /** In the order in which a loader obeys them. Those that it may leave out, and whose meaning is unknown, are left out. */
  directives: DirectiveHeader[];
}

const HEADER_ALIGNMENT = 8;
const LARGE_PAGE_BYTES = 1 << 21;
const VBS_REGISTER_BYTES = 32;

/**
 * Reads an IGVM file of version 1 or 2.
 * @param file the whole file; data of headers is not copied
 * @throws FormatError
 * @see github.com/microsoft/igvm, `igvm_defs`
 */
export function readIgvm(file: Buffer): IgvmFile {
  const { header, architecture } = readFixedHeaders(file);
  const end = header.variableHeaderOffset + header.variableHeaderSizeBytes;
  const igvm: IgvmFile = {
    formatVersion: header.formatVersion === 1 ? 1 : 2,
    architecture,
    platforms: [],
    initializations: [],
    directives: [],
  };
  const reader = new HeaderReader(file, { igvm, dataStart: end });
  let headers = 0;
  for (let offset = header.variableHeaderOffset; offset < end; headers++) {
    if (headers === IGVM_LIMITS.headers) {
      throw fault("IGVM_VHS_VARIABLE_HEADER", { offset }, `expected at most ${IGVM_LIMITS.headers} headers`);
    }
    const { type, sizeBytes } = VariableHeader.decode(file.subarray(0, end), offset);
    const start = offset + VariableHeader.sizeBytes;
    if (sizeBytes > end - start) {
      const expectation = `expected at most ${end - start} bytes, got ${sizeBytes}`;
      throw fault("IGVM_VHS_VARIABLE_HEADER", { field: "sizeBytes", offset }, expectation);
    }
    reader.read(type, { offset, body: file.subarray(start, start + sizeBytes) });
    offset = alignUp(start + sizeBytes - header.variableHeaderOffset, HEADER_ALIGNMENT) + header.variableHeaderOffset;
  }
  return igvm;
}

function readFixedHeaders(file: Buffer) {
  const header = FixedHeader.decode(file);
  const fail = (field: string, expectation: string): never => {
    throw fault("IGVM_FIXED_HEADER", { field, offset: 0 }, expectation);
  };
  if (!header.magic.equals(IGVM_MAGIC)) fail("magic", `expected IGVM, got ${header.magic.toString("hex")}`);
  if (header.formatVersion !== 1 && header.formatVersion !== 2) {
    fail("formatVersion", `expected 1 or 2, got ${header.formatVersion}`);
  }
  const fixedBytes = FixedHeader.sizeBytes + (header.formatVersion === 1 ? 0 : FixedHeaderV2.sizeBytes);
  const { architecture, pageSizeBytes } =
    header.formatVersion === 1
      ? { architecture: 0, pageSizeBytes: PAGE_BYTES }
      : FixedHeaderV2.decode(file, FixedHeader.sizeBytes);
  const name = ARCHITECTURES[architecture] ?? fail("architecture", `expected 0 or 1, got ${architecture}`);
  if (pageSizeBytes !== PAGE_BYTES) fail("pageSizeBytes", `expected ${PAGE_BYTES}, got ${pageSizeBytes}`);
  if (header.totalFileSizeBytes !== file.length) {
    fail("totalFileSizeBytes", `expected ${file.length}, got ${header.totalFileSizeBytes}`);
  }
  const { variableHeaderOffset: start, variableHeaderSizeBytes } = header;
  if (start < fixedBytes || start > file.length || start % HEADER_ALIGNMENT !== 0) {
    fail("variableHeaderOffset", `expected a multiple of 8 from ${fixedBytes} on, got ${start}`);
  }
  if (variableHeaderSizeBytes > file.length - start) {
    const expectation = `expected at most ${file.length - start} bytes, got ${variableHeaderSizeBytes}`;
    fail("variableHeaderSizeBytes", expectation);
  }
  const fixed = Buffer.from(file.subarray(0, fixedBytes));
  fixed.writeUInt32LE(0, FixedHeader.offsetOf("checksum"));
  const checksum = crc32(file.subarray(start, start + variableHeaderSizeBytes), crc32(fixed));
  if (checksum !== header.checksum) {
    fail("checksum", `expected 0x${checksum.toString(16)}, got 0x${header.checksum.toString(16)}`);
  }
  return { header, architecture: name };
}

/** A header's place and contents. */
interface Place {
  offset: number;
  body: Buffer;
}

type AnyRecord = RecordType<any>;
type Table = Readonly<Record<string, { readonly type: number; readonly record: AnyRecord }>>;

const SECTIONS = ["platform", "initialization", "directive"] as const;
const TABLES = {
  platform: PLATFORM_HEADERS,
  initialization: INITIALIZATION_HEADERS,
  directive: DIRECTIVE_HEADERS,
} as const satisfies Record<(typeof SECTIONS)[number], Table>;

/** Adds headers to the file that they are of. */
class HeaderReader {
  readonly #file: Buffer;
  readonly #igvm: IgvmFile;
  readonly #dataStart: number;
  #section: (typeof SECTIONS)[number] = "platform";
  /** Sizes of parameter areas by their index. */
  readonly #areas = new Map<number, number>();
  #pages = 0;

  constructor(file: Buffer, { igvm, dataStart }: { igvm: IgvmFile; dataStart: number }) {
    this.#file = file;
    this.#igvm = igvm;
    this.#dataStart = dataStart;
  }

  read(typeField: number, place: Place): void {
    const isOptional = (typeField & OPTIONAL_HEADER) !== 0;
    const type = isOptional ? typeField - OPTIONAL_HEADER : typeField;
    const fail = (field: string, expectation: string): never => {
      throw fault("IGVM_VHS_VARIABLE_HEADER", { field, offset: place.offset }, expectation);
    };
    const section =
      SECTIONS.find((name) => type >= HEADER_RANGES[name].first && type <= HEADER_RANGES[name].last) ??
      fail("type", `expected one of a section, got 0x${type.toString(16)}`);
    if (SECTIONS.indexOf(section) < SECTIONS.indexOf(this.#section)) {
      fail("type", `expected no ${section} header after those of the ${this.#section} section`);
    }
    this.#section = section;
    const found = Object.entries(TABLES[section] as Table).find(([, entry]) => entry.type === type);
    if (!found) {
      if (isOptional) return;
      return fail("type", `expected a known header, got 0x${type.toString(16)}`);
    }
    const [name, { record }] = found;
    if (place.body.length !== record.sizeBytes) {
      fail("sizeBytes", `expected ${record.sizeBytes} for ${name}, got ${place.body.length}`);
    }
    const header = { name, fields: record.decode(place.body) } as
      | PlatformHeader
      | InitializationHeader
      | DirectiveHeader;
    this.#add(header, place.offset);
  }

  #add(header: PlatformHeader | InitializationHeader | DirectiveHeader, offset: number): void {
    const { platforms, initializations, directives } = this.#igvm;
    switch (header.name) {
      case "SUPPORTED_PLATFORM":
        this.#checkPlatform(header, offset);
        platforms.push(header);
        break;
      case "GUEST_POLICY":
      case "RELOCATABLE_REGION":
      case "PAGE_TABLE_RELOCATION_REGION":
      case "CCA_POLICY":
        initializations.push(header);
        break;
      case "CORIM_DOCUMENT":
      case "CORIM_SIGNATURE": {
        const { fileOffset, sizeBytes } = header.fields;
        initializations.push({ ...header, data: this.#data(fileOffset, sizeBytes) });
        break;
      }
      default:
        directives.push(this.#withData(header, offset));
    }
  }

  #checkPlatform({ fields }: PlatformHeader, offset: number): void {
    const { platformType, compatibilityMask } = fields;
    const fail = (field: string, expectation: string): never => {
      throw fault("IGVM_VHS_SUPPORTED_PLATFORM", { field, offset }, expectation);
    };
    if (PLATFORM_TYPES[platformType] === undefined) fail("platformType", `expected a known one, got ${platformType}`);
    const others = this.#igvm.platforms.map((other) => other.fields);
    if (others.some((other) => other.platformType === platformType)) {
      fail("platformType", `expected ${PLATFORM_TYPES[platformType]} once`);
    }
    if (compatibilityMask === 0 || others.some((other) => (other.compatibilityMask & compatibilityMask) !== 0)) {
      fail("compatibilityMask", `expected bits of its own, got 0x${compatibilityMask.toString(16)}`);
    }
  }

  #withData(directive: DirectiveHeader, offset: number): DirectiveHeader {
    switch (directive.name) {
      case "PAGE_DATA": {
        this.#checkPage(directive.fields, offset);
        const { fileOffset, flags } = directive.fields;
        const sizeBytes = flags & PAGE_DATA_FLAGS.is2MbPage ? LARGE_PAGE_BYTES : PAGE_BYTES;
        this.#count(sizeBytes, "IGVM_VHS_PAGE_DATA", offset);
        return fileOffset === 0 ? directive : { ...directive, data: this.#data(fileOffset, sizeBytes) };
      }
      case "PARAMETER_AREA": {
        const { fileOffset, parameterAreaIndex } = directive.fields;
        const sizeBytes = this.#wholePages(directive.fields.sizeBytes, offset);
        this.#areas.set(parameterAreaIndex, sizeBytes);
        return fileOffset === 0 ? directive : { ...directive, data: this.#data(fileOffset, sizeBytes) };
      }
      case "VP_CONTEXT":
        this.#requirePage(directive.fields.gpa, "IGVM_VHS_VP_CONTEXT", offset);
        return { ...directive, data: this.#contextData(directive.fields) };
      case "PARAMETER_INSERT":
        this.#requirePage(directive.fields.gpa, "IGVM_VHS_PARAMETER_INSERT", offset);
        this.#count(this.#areas.get(directive.fields.parameterAreaIndex) ?? 0, "IGVM_VHS_PARAMETER_INSERT", offset);
        return directive;
      case "REQUIRED_MEMORY":
        this.#requirePage(directive.fields.gpa, "IGVM_VHS_REQUIRED_MEMORY", offset);
        return directive;
      default:
        return directive;
    }
  }

  #checkPage({ gpa, dataType, flags }: { gpa: bigint; dataType: number; flags: number }, offset: number): void {
    this.#requirePage(gpa, "IGVM_VHS_PAGE_DATA", offset);
    const fail = (field: string, expectation: string): never => {
      throw fault("IGVM_VHS_PAGE_DATA", { field, offset }, expectation);
    };
    if (PAGE_DATA_TYPES[dataType] === undefined) fail("dataType", `expected a known one, got ${dataType}`);
    if (flags & PAGE_DATA_FLAGS.is2MbPage && gpa % BigInt(LARGE_PAGE_BYTES) !== 0n) {
      fail("gpa", `expected the start of a page of 2 MiB, got 0x${gpa.toString(16)}`);
    }
  }

  /** Registers of VBS have a length of their own; those of other platforms are a page. */
  #contextData({ compatibilityMask, fileOffset }: { compatibilityMask: number; fileOffset: number }): Buffer {
    const platforms = platformsOf(this.#igvm, compatibilityMask);
    if (platforms.length === 0 || platforms.some((platform) => platform !== "VSM_ISOLATION")) {
      return this.#data(fileOffset, PAGE_BYTES);
    }
    const count = this.#data(fileOffset, 4).readUInt32LE();
    return this.#data(fileOffset, 4 + count * VBS_REGISTER_BYTES);
  }

  #requirePage(gpa: bigint, record: string, offset: number): void {
    if (gpa % BigInt(PAGE_BYTES) === 0n) return;
    throw fault(record, { field: "gpa", offset }, `expected the start of a page, got 0x${gpa.toString(16)}`);
  }

  /** The size of a parameter area. */
  #wholePages(size: bigint, offset: number): number {
    const most = BigInt(IGVM_LIMITS.pages * PAGE_BYTES);
    if (size % BigInt(PAGE_BYTES) === 0n && size <= most) return Number(size);
    const place = { field: "sizeBytes", offset };
    throw fault("IGVM_VHS_PARAMETER_AREA", place, `expected whole pages, at most ${most} bytes, got ${size}`);
  }

  #count(sizeBytes: number, record: string, offset: number): void {
    this.#pages += sizeBytes / PAGE_BYTES;
    if (this.#pages <= IGVM_LIMITS.pages) return;
    throw fault(record, { offset }, `expected at most ${IGVM_LIMITS.pages} pages in all`);
  }

  #data(fileOffset: number, sizeBytes: number): Buffer {
    const left = this.#file.length - fileOffset;
    if (fileOffset < this.#dataStart || sizeBytes > left) {
      const expectation = `expected ${sizeBytes} bytes in the data from 0x${this.#dataStart.toString(16)} on`;
      throw fault("IGVM file data", { offset: fileOffset }, expectation);
    }
    return this.#file.subarray(fileOffset, fileOffset + sizeBytes);
  }
}

/** The platforms that a compatibility mask stands for. */
export function platformsOf(igvm: IgvmFile, compatibilityMask: number): PlatformType[] {
  return igvm.platforms
    .filter(({ fields }) => (fields.compatibilityMask & compatibilityMask) !== 0)
    .map(({ fields }) => PLATFORM_TYPES[fields.platformType]!);
}

function fault(record: string, place: { field?: string; offset: number }, expectation: string): FormatError {
  const field = place.field === undefined ? {} : { field: place.field };
  return new FormatError({ record, ...field, offsetBytes: place.offset }, expectation);
}
