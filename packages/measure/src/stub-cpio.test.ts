import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { encodeStubCpio } from "./stub-cpio.ts";

const vectors = join(import.meta.dirname, "../../../../shared/vectors/qemu-boots");
const SYSEXT = { prefix: ".extra/sysext", directoryMode: 0o555, fileMode: 0o444 };
const CREDENTIALS = { prefix: ".extra/credentials", directoryMode: 0o500, fileMode: 0o400 };

describe("encodeStubCpio", () => {
  it.skipIf(!existsSync(vectors))("gives the bytes that a real boot measured", () => {
    const events = JSON.parse(readFileSync(join(vectors, "runs/esp-257extras-trixie-q100.events.json"), "utf8")) as {
      desc: string;
      sha256: string;
    }[];
    const file = (name: string) => ({ name, content: readFileSync(join(vectors, "files", name)) });
    const digest = (bytes: Buffer) => createHash("sha256").update(bytes).digest("hex");
    const measured = (label: string) => events.find(({ desc }) => desc === label)?.sha256;
    expect(digest(encodeStubCpio([file("ext1.sysext.raw"), file("ext2.raw")], SYSEXT))).toBe(
      measured("System extension initrd"),
    );
    expect(digest(encodeStubCpio([file("foo.cred")], CREDENTIALS))).toBe(measured("Credentials initrd"));
  });

  it("gives an archive that GNU cpio lists", ({ skip }) => {
    const files = [
      { name: "a.cred", content: Buffer.from("secret") },
      { name: "ä.cred", content: Buffer.from("12345678") },
    ];
    const { stdout, stderr, error } = spawnSync("cpio", ["-itv", "--numeric-uid-gid"], {
      input: encodeStubCpio(files, CREDENTIALS),
      encoding: "utf8",
      env: { PATH: "/usr/bin:/bin", LC_ALL: "C.UTF-8", TZ: "UTC" },
    });
    if (error && !process.env["CI"]) return void skip();
    expect(stderr).toMatch(/^\d+ blocks?\n$/);
    expect(
      stdout
        .trim()
        .split("\n")
        .map((line) => line.replace(/ +/g, " ")),
    ).toEqual([
      "dr-xr-xr-x 1 0 0 0 Jan 1 1970 .extra",
      "dr-x------ 1 0 0 0 Jan 1 1970 .extra/credentials",
      "-r-------- 1 0 0 6 Jan 1 1970 .extra/credentials/a.cred",
      "-r-------- 1 0 0 8 Jan 1 1970 .extra/credentials/ä.cred",
    ]);
  });

  it("writes headers in lower-case hexadecimal, but for the trailer's name size", () => {
    const archive = encodeStubCpio([{ name: "x", content: Buffer.alloc(0xab) }], SYSEXT).toString("latin1");
    expect(archive).toContain("000000ab");
    expect(archive.slice(-124)).toBe(
      "070701000000000000000000000000000000000000000100000000000000000000000000000000000000000000000" +
        "00000000B00000000TRAILER!!!\0\0\0\0",
    );
  });
});
