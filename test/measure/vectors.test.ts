import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { bytesSource, compileGlob, type HashAlgorithm, sha256Hex } from "@cvm-build/bytes";
import { readEventLog, readPcrValues, replayLog } from "@cvm-build/measure";
import { authenticodeDigests, encodeSignatureLists, readSignatureLists, verifyPe } from "@cvm-build/uki";
import { describe, expect, it } from "vitest";
import { qemuBoot, VECTORS } from "../support/published.ts";

const hasVectors = existsSync(VECTORS);
const list = (folder: string) => (hasVectors ? readdirSync(join(VECTORS, folder)) : []);
const read = (path: string) => readFileSync(join(VECTORS, path));

/** Known answers that no other test takes, and that none of them is left out. */
describe.skipIf(!hasVectors)("known answers", () => {
  it("are each named in docs/vectors.md, with the test that holds it", () => {
    const page = readFileSync(join(import.meta.dirname, "../../docs/vectors.md"), "utf8");
    const rows = [...page.matchAll(/^\| `([^`]+)` +\|.*\|$/gm)].map(([row, glob = ""]) => ({ row, glob }));
    const tests = rows.flatMap(({ row }) => [...row.matchAll(/`([\w./-]+\.test\.ts)`/g)].map(([, path = ""]) => path));
    expect(tests.filter((path) => !existsSync(join(import.meta.dirname, "../..", path)))).toEqual([]);
    const named = rows.map(({ glob }) => compileGlob(glob));
    const files = readdirSync(VECTORS, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() && !["README.md", "LICENSE"].includes(entry.name))
      .map(({ parentPath, name }) => join(parentPath, name).slice(VECTORS.length + 1));
    expect(files.filter((file) => !named.some((matches) => matches(file)))).toEqual([]);
    expect(rows.filter((_, index) => !files.some((file) => named[index]?.(file)))).toEqual([]);
  });

  it.each(list("eventlogs/tpm2-tools").filter((name) => name.endsWith(".raw.yaml")))(
    "tpm2_eventlog's own output %s: events, digests and registers",
    (name) => {
      const golden = read(`eventlogs/tpm2-tools/${name}`).toString();
      const log = readEventLog(read(`eventlogs/tpm2-tools/${name.replace(".raw.yaml", ".bin")}`));
      // The record that names the algorithms is no event to us.
      const theirs = eventsOf(golden).slice(log.format === "crypto-agile" ? 1 : 0);
      expect(log.events.map(({ register, typeName, digests }) => ({ register, typeName, digests }))).toEqual(theirs);
      expect(replayLog(log)).toEqual(readPcrValues(Buffer.from(golden.slice(golden.lastIndexOf("\npcrs:")))));
    },
  );

  it.each([
    ["go-eventlog/ccel/CCEL.bin", 0x10000],
    ["go-eventlog/ccel/cos-113-intel-tdx.table.bin", 0x40000],
    ["go-tdx-guest/ccel_table.dat", 0x40000],
  ])("ACPI's table %s is no log, and says where one of %i bytes is", (name, areaBytes) => {
    const table = read(`eventlogs/${name}`);
    expect(Number(table.readBigUInt64LE(40))).toBe(areaBytes);
    expect(() => readEventLog(table)).toThrow(
      expect.objectContaining({ hint: "the log itself is /sys/firmware/acpi/tables/data/CCEL" }) as Error,
    );
  });

  it.each(["db", "dbdefault"])("go-uefi's variable %s holds lists that are written as they were read", (name) => {
    // Four bytes of attributes are efivarfs's.
    const value = read(`authenticode/${name}`).subarray(4);
    const lists = readSignatureLists(value);
    expect(lists.length).toBeGreaterThan(1);
    expect(encodeSignatureLists(lists).equals(value)).toBe(true);
    const trusted = lists.flatMap(({ signatures }) => signatures.map(({ data }) => data));
    const image = bytesSource(read("authenticode/HelloWorld.efi.signed"));
    const { signatures } = verifyPe(image, { trusted: [] });
    expect(signatures[0]?.digest).toBe(authenticodeDigests(image, ["sha256"]).sha256);
    expect(trusted.some((data) => signatures[0]?.certificate?.raw.equals(data))).toBe(false);
  });

  it.each([
    ["cmdline.txt", "esp-257full-trixie-q100", ".cmdline"],
    ["os-release.txt", "esp-257full-trixie-q100", ".osrel"],
    ["pcr-pub.pem", "esp-257full-trixie-q100", ".pcrpkey"],
    ["splash.bmp", "esp-257full-trixie-q100", ".splash"],
    ["ucode.cpio", "esp-257full-trixie-q100", ".ucode"],
    ["grub.cfg", "esp-grub212-trixie-q100", "grub.cfg"],
  ])("%s is what %s measured as %s", (name, run, label) => {
    const { events } = qemuBoot(run);
    const digests = events.filter((event) => event.label.endsWith(label)).map((event) => event.digests.sha256);
    expect(digests).toContain(sha256Hex(read(`qemu-boots/files/${name}`)));
  });
});

/** The events of `tpm2_eventlog`'s YAML. */
function eventsOf(golden: string) {
  return golden
    .slice(0, golden.lastIndexOf("\npcrs:"))
    .split(/(?=^ {2}PCRIndex: )/m)
    .slice(1)
    .map((event) => ({
      register: Number(/^ {2}PCRIndex: (\d+)$/m.exec(event)?.[1]),
      typeName: /^ {2}EventType: (\S+)$/m.exec(event)?.[1],
      digests: Object.fromEntries(
        [...event.matchAll(/AlgorithmId: (\w+)\n +Digest: "([0-9a-f]+)"/g)].map(([, bank, digest]) => [
          bank as HashAlgorithm,
          digest,
        ]),
      ),
    }));
}
