import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { FormatError } from "@cvm-build/bytes";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { makeLog } from "../eventlog/eventlog.fixture.ts";
import { readEventLog } from "../eventlog/reader.ts";
import { acpiInLoadOrder } from "./acpi-loader.ts";
import { environmentOfCcel, environmentOfFwCfg } from "./environment.ts";

const folder = join(import.meta.dirname, "../../../../../shared/vectors/eventlogs");

describe("environmentOfCcel", () => {
  const logOf = (events: [register: number, eventType: number, data: Buffer][]) =>
    readEventLog(
      makeLog(
        events.map(([register, eventType, data]) => ({
          register,
          eventType,
          data,
          digests: { sha384: createHash("sha384").update(data).digest("hex") },
        })),
        [{ id: 0x0c, sizeBytes: 48 }],
      ),
    );

  it("takes from a log what the host decides", () => {
    const name = (text: string) => Buffer.concat([Buffer.from("QEMU FW CFG\0"), Buffer.from(text.padEnd(56, "\0"))]);
    const variable = (text: string) => {
      const data = Buffer.alloc(32 + text.length * 2);
      data.writeUInt32LE(text.length, 16);
      data.write(text, 32, "utf16le");
      return data;
    };
    const [menu, order, option] = [name("BootMenu"), variable("BootOrder"), variable("Boot0007")];
    const digest = (data: Buffer | string) => ({ sha384: createHash("sha384").update(data).digest("hex") });
    const log = logOf([
      [1, 0x8000_000b, Buffer.from("TD HOB")],
      [1, 0x0a, menu],
      [1, 0x0a, Buffer.from("ACPI DATA")],
      [2, 0x0a, Buffer.from("ACPI DATA")],
      [1, 0x03, Buffer.from("ACPI DATA")],
      [1, 0x8000_0009, Buffer.from("SMBIOS")],
      [1, 0x8000_0002, order],
      [1, 0x8000_0002, option],
      [1, 0x06, Buffer.from("tag")],
    ]);
    expect(environmentOfCcel(log)).toEqual({
      acpi: [digest("ACPI DATA")],
      smbios: digest("SMBIOS"),
      fwCfg: { BootMenu: digest(menu) },
      bootVariables: { order: digest(order), options: [{ name: "Boot0007", data: digest(option) }] },
      smbiosOfStub: [digest("tag")],
    });
    expect(environmentOfCcel({ events: [] })).toEqual({});
  });

  it.skipIf(!existsSync(folder))("finds a GCE machine's tables and boot options", () => {
    const log = readEventLog(gunzipSync(readFileSync(join(folder, "go-tdx-guest/ccel_data.dat.gz"))));
    const { acpi, bootVariables, ...rest } = environmentOfCcel(log);
    expect(acpi?.map((content) => (content instanceof Uint8Array ? "" : content.sha384.slice(0, 12)))).toEqual([
      "f29e022d067d",
      "509dcfe10beb",
      "0f0b426cbd5b",
    ]);
    expect(typeof bootVariables === "object" && bootVariables.options.map(({ name }) => name)).toEqual([
      "Boot0001",
      "Boot0000",
    ]);
    expect(rest).toEqual({});
  });
});

describe("acpiInLoadOrder", () => {
  const entry = (command: number, file: string) => {
    const bytes = Buffer.alloc(128);
    bytes.writeUInt32LE(command);
    bytes.write(file, 4, "latin1");
    return bytes;
  };
  const [rsdp, tables] = [Buffer.from("rsdp"), Buffer.from("tables")];

  it("is the script, then the files in the order in which it places them", () => {
    const loader = Buffer.concat([
      entry(1, "etc/acpi/tables"),
      entry(3, "etc/acpi/tables"),
      entry(1, "etc/acpi/rsdp"),
      entry(2, "etc/acpi/rsdp"),
    ]);
    const files = { "etc/acpi/rsdp": rsdp, "etc/acpi/tables": tables, "etc/table-loader": loader };
    expect(acpiInLoadOrder(files)).toEqual([loader, tables, rsdp]);
    const { acpi, fwCfg, ...rest } = environmentOfFwCfg(files);
    expect(acpi).toEqual([loader, tables, rsdp]);
    expect(fwCfg?.["BootMenu"]).toEqual(Buffer.of(0, 0));
    expect(rest).toEqual({});
  });

  it.each([
    ["no script", {}],
    ["a script of part of an entry", { "etc/table-loader": Buffer.alloc(130) }],
    ["a script without end", { "etc/table-loader": Buffer.alloc(128 * 4097) }],
    ["a file that is not given", { "etc/table-loader": entry(1, "etc/acpi/rsdp"), "etc/acpi/tables": tables }],
    ["a file that every object has", { "etc/table-loader": entry(1, "toString") }],
  ])("refuses %s", (_, files) => {
    expect(() => acpiInLoadOrder(files as Record<string, Buffer>)).toThrow(FormatError);
  });

  it("reads any script or refuses it", () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ minLength: 128, maxLength: 128 }), { maxLength: 4 }), (entries) => {
        try {
          acpiInLoadOrder({ "etc/table-loader": Buffer.concat(entries), "etc/acpi/rsdp": rsdp });
        } catch (error) {
          expect(error).toBeInstanceOf(FormatError);
        }
      }),
    );
  });
});
