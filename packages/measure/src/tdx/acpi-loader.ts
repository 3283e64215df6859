import { ascii, FormatError, raw, record, u32le, u8 } from "@cvm-build/bytes";

/**
 * Command of the script by which QEMU has firmware place ACPI tables; the fields are those of ALLOCATE.
 * @see QEMU, hw/acpi/bios-linker-loader.c
 */
const LoaderEntry = record("BiosLinkerLoaderEntry", 128, {
  command: [0x00, u32le],
  file: [0x04, ascii(56)],
  alignment: [0x3c, u32le],
  zone: [0x40, u8],
  padding: [0x41, raw(63)],
});

const ALLOCATE = 1;
/** More than any machine has. */
const MAX_ENTRIES = 1 << 12;

/** The script's own name among the files of fw_cfg. */
export const ACPI_LOADER_FILE = "etc/table-loader";

/**
 * What firmware measures of the host's ACPI tables: the script, then each file in the order in which it places them.
 * @param files of fw_cfg by name: `etc/table-loader`, `etc/acpi/rsdp`, `etc/acpi/tables`, with a TPM `etc/tpm/log`; as a
 * guest has them under `/sys/firmware/qemu_fw_cfg/by_name`
 * @throws FormatError where the script is none, or names a file that is not given
 * @see EDK2, OvmfPkg/Library/AcpiPlatformLib/QemuFwCfgAcpi.c
 */
export function acpiInLoadOrder(files: Readonly<Record<string, Uint8Array>>): Uint8Array[] {
  const loader = files[ACPI_LOADER_FILE];
  if (!loader) throw new FormatError({ record: ACPI_LOADER_FILE }, "expected this file of fw_cfg, got none");
  const count = loader.byteLength / LoaderEntry.sizeBytes;
  if (!Number.isInteger(count) || count > MAX_ENTRIES) {
    const expectation = `expected at most ${MAX_ENTRIES} entries of ${LoaderEntry.sizeBytes} bytes`;
    throw new FormatError({ record: ACPI_LOADER_FILE }, `${expectation}, got ${loader.byteLength} bytes`);
  }
  const placed = Array.from({ length: count }, (_, index) => index * LoaderEntry.sizeBytes).flatMap((offset) => {
    const { command, file } = LoaderEntry.decode(loader, offset);
    if (command !== ALLOCATE) return [];
    const content = Object.hasOwn(files, file) ? files[file] : undefined;
    if (content) return [content];
    const place = { record: ACPI_LOADER_FILE, field: "file", offsetBytes: offset };
    throw new FormatError(place, `expected one of ${Object.keys(files).join(", ")}, got ${JSON.stringify(file)}`);
  });
  return [loader, ...placed];
}
