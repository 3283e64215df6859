import { FormatError, sha256Hex } from "@cvm-build/bytes";
import * as fc from "fast-check";
import { pack } from "tar-stream";
import { describe, expect, it } from "vitest";
import { expectValueOrFormatError, mutated } from "../fuzz.fixture.ts";
import { readTar, type TarEntry } from "./reader.ts";
import { encodeTar } from "./writer.ts";

/** A capability set as the kernel stores it: bytes that are no UTF-8. */
const CAPABILITY = Buffer.from("0100000200200000000000000000000000000000", "hex").fill(0xff, 10, 12);
const LONG_NAME = `./usr/share/ca-certificates/${"ő/".repeat(40)}NetLock_Arany_=Class_Gold=_Főtanúsítvány.crt`;

const archive = encodeTar([
  { name: "./", type: "directory" },
  {
    name: "./usr/bin/ping",
    mode: 0o4755,
    mtimeSec: 1757635200,
    bytes: Buffer.from("ping"),
    xattrs: new Map([["security.capability", CAPABILITY]]),
  },
  { name: "./usr/bin/link", type: "link", linkname: "./usr/bin/ping" },
  { name: "./bin", type: "symlink", linkname: "usr/bin" },
  { name: "./dev/null", type: "char", mode: 0o666, devmajor: 1, devminor: 3 },
  { name: "./dev/sda", type: "block", devmajor: 8, devminor: 0 },
  { name: "./run/initctl", type: "fifo" },
  { name: LONG_NAME, bytes: Buffer.alloc(1000, "x"), uid: 4_000_000_000 },
  { name: "./empty", gid: 5 },
]);

async function entriesOf(bytes: Uint8Array, chunkBytes = bytes.length || 1): Promise<TarEntry[]> {
  const chunks = Array.from({ length: Math.ceil(bytes.length / chunkBytes) }, (_, n) =>
    bytes.subarray(n * chunkBytes, (n + 1) * chunkBytes),
  );
  const entries: TarEntry[] = [];
  await readTar(chunks, (entry) => entries.push(entry));
  return entries;
}

/** The archive with bytes overwritten in its first header, and the checksum made right again. */
function patched(
  offset: number,
  patch: Uint8Array | string,
  from = encodeTar([{ name: "a", bytes: Buffer.from("data") }]),
): Buffer {
  const bytes = Buffer.from(from);
  bytes.set(Buffer.from(patch as string), offset);
  bytes.fill(" ", 148, 156);
  const sum = bytes.subarray(0, 512).reduce((total, byte) => total + byte, 0);
  bytes.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
  return bytes;
}

const pax = (records: string): Buffer =>
  patched(
    156,
    "x",
    encodeTar([
      { name: "p", bytes: Buffer.from(records) },
      { name: "a", bytes: Buffer.from("data") },
    ]),
  );

describe("readTar", () => {
  it("reads every kind of entry, in chunks of any size", async () => {
    const entries = await entriesOf(archive);
    const lines = entries.map((e) =>
      [e.type, e.mode.toString(8), `${e.uid}:${e.gid}`, e.sizeBytes, e.name, e.linkname, `${e.devmajor}:${e.devminor}`]
        .join(" ")
        .trim(),
    );
    expect(lines).toEqual([
      "directory 755 0:0 0 ./  0:0",
      "file 4755 0:0 4 ./usr/bin/ping  0:0",
      "link 644 0:0 0 ./usr/bin/link ./usr/bin/ping 0:0",
      "symlink 644 0:0 0 ./bin usr/bin 0:0",
      "char 666 0:0 0 ./dev/null  1:3",
      "block 644 0:0 0 ./dev/sda  8:0",
      "fifo 644 0:0 0 ./run/initctl  0:0",
      `file 644 4000000000:0 1000 ${LONG_NAME}  0:0`,
      "file 644 0:5 0 ./empty  0:0",
    ]);
    expect(entries[1]?.mtimeSec).toBe(1757635200);
    expect(entries[1]?.xattrs).toEqual(new Map([["security.capability", CAPABILITY]]));
    for (const entry of entries) {
      const data = archive.subarray(entry.dataOffsetBytes, entry.dataOffsetBytes + entry.sizeBytes);
      expect(entry.sha256).toBe(sha256Hex(data));
    }
    for (const chunkBytes of [1, 7, 512, 700, 4096]) expect(await entriesOf(archive, chunkBytes)).toEqual(entries);
  });

  it("reads what tar-stream packs", async () => {
    const stream = pack();
    stream.entry({ name: `long/${"ü".repeat(120)}`, mtime: new Date(5_500) }, "hello");
    stream.entry({ name: "link", type: "symlink", linkname: "x".repeat(150) });
    stream.finalize();
    const entries: TarEntry[] = [];
    await readTar(stream as unknown as AsyncIterable<Buffer>, (entry) => entries.push(entry));
    expect(entries.map(({ name, type, linkname, mtimeSec }) => ({ name, type, linkname, mtimeSec }))).toMatchObject([
      { name: `long/${"ü".repeat(120)}`, type: "file", mtimeSec: 5 },
      { name: "link", type: "symlink", linkname: "x".repeat(150) },
    ]);
    expect(entries[0]?.sha256).toBe(sha256Hex("hello"));
  });

  it.each([
    ["a path", "12 path=new\n", { name: "new" }],
    ["a fraction of a second", "15 mtime=12.75\n", { mtimeSec: 12 }],
    ["a time before 1970", "16 mtime=-1.250\n", { mtimeSec: -2 }],
    ["ids", "17 uid=123456789\n13 gid=99999\n", { uid: 123456789, gid: 99999 }],
    ["keys that do not matter", "14 uname=root\n21 SCHILY.fflags=abc\n", { name: "a" }],
    ["a value taken back", "12 path=new\n8 path=\n", { name: "a" }],
  ])("applies pax records: %s", async (_what, records, expected) => {
    expect((await entriesOf(pax(records)))[0]).toMatchObject(expected);
  });

  it("applies global pax records to all entries, and an entry's own over them", async () => {
    const global = patched(
      156,
      "g",
      encodeTar([{ name: "p", bytes: Buffer.from("9 uid=77\n") }, { name: "a" }, { name: "b", uid: 4_000_000_000 }]),
    );
    expect((await entriesOf(global)).map((entry) => entry.uid)).toEqual([77, 4_000_000_000]);
  });

  it("takes the oldest tar's directory and GNU's base-256 numbers", async () => {
    expect((await entriesOf(patched(0, "dir/", encodeTar([{ name: "a" }]))))[0]).toMatchObject({ type: "directory" });
    const base256 = Buffer.alloc(12);
    base256.writeUInt8(0x80, 0);
    base256.writeUInt32BE(4_000_000_000, 8);
    expect((await entriesOf(patched(136, base256)))[0]).toMatchObject({ mtimeSec: 4_000_000_000 });
    expect((await entriesOf(patched(136, Buffer.alloc(12, 0xff))))[0]).toMatchObject({ mtimeSec: -1 });
  });

  it.each([
    ["nothing", Buffer.alloc(0), "ended early"],
    ["half a header", archive.subarray(0, 300), "ended early"],
    ["half a file", archive.subarray(0, archive.length - 2000), "ended early"],
    ["no end", archive.subarray(0, archive.length - 1024), "ended early"],
    ["bytes after the end", Buffer.concat([archive, Buffer.from("x")]), "nothing but zeros after the end"],
    ["no tar at all", Buffer.alloc(2048, "x"), "sum of the header's bytes"],
    [
      "a size beyond exact numbers",
      patched(124, Buffer.alloc(12, 0x8f)),
      "TarHeader.sizeBytes at 0x7c: expected a number",
    ],
    ["a negative size", patched(124, Buffer.alloc(12, 0xff)), "expected a number, got -1"],
    ["a size that is no number", patched(124, "xyz"), "expected a number, got none"],
    ["a name that is no UTF-8", patched(0, Buffer.of(0x61, 0xe9)), 'expected UTF-8, got "aé" (shown as Latin-1)'],
    ["an unknown type", patched(156, "S"), 'got "S"'],
    ["no name", patched(0, "\0"), "expected a name"],
    ["a link without a target", patched(156, "2", encodeTar([{ name: "a" }])), "expected a link target"],
    ["a link with data", patched(156, "1"), "expected a link target"],
    ["a directory with data", patched(156, "5"), "expected no data, got 4 bytes"],
    ["a pax record that is too long", pax("99 path=new\n"), "expected a whole record"],
    ["a pax record without end", pax("11 path=new\n"), "expected a whole record"],
    ["a pax record without length", pax("path=new\n"), "expected the length of a record"],
    ["a pax record without key", pax("7 =new\n"), 'expected "key=value"'],
    ["a pax record without value", pax("8 pathx\n"), 'expected "key=value"'],
    ["a pax size that is none", pax("11 size=-1\n"), "expected digits"],
    ["a pax path with NUL", pax("12 path=a\0b\n"), "name without NUL"],
    ["a sparse file", pax("22 GNU.sparse.major=1\n"), "sparse files are not read"],
    ["a pax header that is huge", patched(124, "77777777777", pax("9 uid=77\n")), "an extension of 1 to 1048576 bytes"],
  ])("refuses %s", async (_what, bytes, message) => {
    await expect(entriesOf(bytes)).rejects.toThrow(FormatError);
    await expect(entriesOf(bytes)).rejects.toThrow(message);
  });

  it("gives entries or a FormatError for any bytes", async () => {
    await fc.assert(
      fc.asyncProperty(mutated(archive), fc.integer({ min: 100, max: 5000 }), (bytes, chunkBytes) =>
        expectValueOrFormatError(() => entriesOf(bytes, chunkBytes)),
      ),
      { seed: 2, numRuns: 1000 },
    );
  });
});
