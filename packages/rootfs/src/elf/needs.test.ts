import { FormatError } from "@cvm-build/bytes";
import { describe, expect, it } from "vitest";
import { dlopenNote, makeElf, makeLibrary } from "./elf.fixture.ts";
import { readElfNeeds } from "./needs.ts";

const TPM = '[{"feature":"tpm","description":"Support for TPM","priority":"suggested","soname":["libtss2-esys.so.0"]}]';

describe("what an object needs", () => {
  it("is its dynamic linker, libraries, where to look for them, and what it may load later", () => {
    const bytes = makeLibrary({
      interpreter: "/lib64/ld-linux-x86-64.so.2",
      needed: ["libsystemd-shared-257.so", "libc.so.6"],
      runpath: "/usr/lib/x86_64-linux-gnu/systemd:$ORIGIN",
      dlopens: [TPM, '[{"soname":["libqrencode.so.4","libqrencode.so.3"]}]'],
    });
    expect(readElfNeeds(bytes)).toEqual({
      interpreter: "/lib64/ld-linux-x86-64.so.2",
      libraries: ["libsystemd-shared-257.so", "libc.so.6"],
      searchPath: ["/usr/lib/x86_64-linux-gnu/systemd", "$ORIGIN"],
      dlopens: [
        { sonames: ["libtss2-esys.so.0"], feature: "tpm", priority: "suggested" },
        { sonames: ["libqrencode.so.4", "libqrencode.so.3"], feature: "", priority: "recommended" },
      ],
    });
  });

  it("is nothing of a static program", () => {
    expect(readElfNeeds(makeElf({ type: "executable" }))).toEqual({ libraries: [], searchPath: [], dlopens: [] });
  });

  const withNote = (bytes: Buffer): Buffer =>
    makeElf({ type: "sharedObject", sections: [{ name: ".note.dlopen", bytes }] });

  it.each([
    ["no ELF", Buffer.from("#!/bin/sh\n".padEnd(100))],
    ["a dynamic linker by a relative path", makeLibrary({ interpreter: "ld.so" })],
    ["a note that leaves its section", withNote(dlopenNote(TPM).subarray(0, 60))],
    ["a note that is no JSON", withNote(dlopenNote("[{"))],
    ["a note that is no list", withNote(dlopenNote("{}"))],
    ["a note with a null", withNote(dlopenNote("[null]"))],
    ["a note without names", withNote(dlopenNote('[{"feature":"x"}]'))],
    ["a note with another priority", withNote(dlopenNote('[{"soname":["a"],"priority":"perhaps"}]'))],
  ])("is refused of %s", (_, bytes) => {
    expect(() => readElfNeeds(bytes)).toThrow(FormatError);
  });

  it("is a value or a FormatError of any damaged object", () => {
    const whole = makeLibrary({ interpreter: "/ld.so", needed: ["a", "b"], runpath: "/x", dlopens: [TPM] });
    for (let at = 0; at < whole.length; at++) {
      for (const value of [0x00, 0xff, (whole[at] ?? 0) ^ 0x11]) {
        const damaged = Buffer.from(whole);
        damaged[at] = value;
        try {
          readElfNeeds(damaged);
        } catch (error) {
          expect(error, `byte ${at} as ${value}`).toBeInstanceOf(FormatError);
        }
      }
    }
  });
});
