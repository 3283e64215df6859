import { execFileSync } from "node:child_process";
import { describe, expect, it } from "vitest";
import {
  formatMiniInit,
  MINI_INIT_APPLETS,
  type MiniInit,
  type OverlayCarrier,
  verityTable,
} from "./mini-init-script.ts";

const MINI_INIT: MiniInit = {
  carrier: { kind: "initrd" },
  // The example of the kernel's own documentation.
  verity: {
    formatVersion: 1,
    algorithm: "sha256",
    rootHash: "4392712ba01368efdf14b05c76f9e4df0d53664630b5d48632ed17a137f39076",
    salt: "1234000000000000000000000000000000000000000000000000000000000000",
    dataBlocks: 262_144,
    hashStartBlock: 1,
    hashSizeBytes: 8_462_336,
  },
  loadIntoRam: false,
  onCorruption: "error",
  modules: ["/usr/lib/modules/6.1/kernel/a.ko", "/usr/lib/modules/6.1/kernel/b.ko"],
  init: "/sbin/init",
  timeoutSec: 30,
};

const TABLE =
  "0 2097152 verity 1 DATA HASHES 4096 4096 262144 1 sha256 " +
  "4392712ba01368efdf14b05c76f9e4df0d53664630b5d48632ed17a137f39076 " +
  "1234000000000000000000000000000000000000000000000000000000000000";

const CARRIERS: readonly OverlayCarrier[] = [
  { kind: "initrd" },
  { kind: "esp", dataPath: "/cvm/node.erofs", hashPath: "/cvm/node.verity" },
  {
    kind: "partition",
    dataUuid: "00112233-4455-6677-8899-aabbccddeeff",
    hashUuid: "0fc63daf-8483-4772-8e79-3d69d8477de4",
  },
  { kind: "device", device: "/dev/pmem0" },
];

/** The settings at the top of the program. */
function settingsOf(program: string): Record<string, string> {
  return Object.fromEntries(
    [...program.matchAll(/^([a-z_]+)='(.*)'$/gm)].map(([, name = "", text = ""]) => [name, text]),
  );
}

describe("the program of a mini-initrd", () => {
  it.each([
    ["as the kernel documents it", {}, TABLE],
    ["that restarts", { onCorruption: "restart" as const }, `${TABLE} 1 restart_on_corruption`],
    ["that panics", { onCorruption: "panic" as const }, `${TABLE} 1 panic_on_corruption`],
    [
      "without a salt, of the old format",
      { verity: { ...MINI_INIT.verity, salt: "", formatVersion: 0 as const, hashStartBlock: 0, dataBlocks: 3 } },
      `0 24 verity 0 DATA HASHES 4096 4096 3 0 sha256 ${MINI_INIT.verity.rootHash} -`,
    ],
  ])("gives dm-verity a table %s", (_, change, expected) => {
    expect(verityTable({ ...MINI_INIT, ...change })).toBe(expected);
  });

  it("says which carrier holds the image", () => {
    const [initrd, esp, partition] = CARRIERS.map((carrier) => settingsOf(formatMiniInit({ ...MINI_INIT, carrier })));
    expect(initrd).toEqual({
      carrier: "initrd",
      data_name: "/cvm/root.erofs",
      hash_name: "/cvm/root.verity",
      data_bytes: "1073741824",
      hash_bytes: "8462336",
      table: TABLE,
      into_ram: "no",
      init: "/sbin/init",
      timeout: "30",
      modules: "/usr/lib/modules/6.1/kernel/a.ko /usr/lib/modules/6.1/kernel/b.ko",
    });
    expect(esp).toMatchObject({ carrier: "esp", data_name: "/cvm/node.erofs", hash_name: "/cvm/node.verity" });
    // sfdisk writes Linux's type so: `af 3d c6 0f 83 84 72 47 8e 79 3d 69 d8 47 7d e4`.
    expect(partition).toMatchObject({
      carrier: "partition",
      data_guid: "33221100554477668899aabbccddeeff",
      hash_guid: "af3dc60f838472478e793d69d8477de4",
    });
  });

  it.each(CARRIERS.flatMap((carrier) => [true, false].map((loadIntoRam) => ({ carrier, loadIntoRam }))))(
    "is a program of a POSIX shell: %o",
    (change) => {
      const program = formatMiniInit({ ...MINI_INIT, ...change });
      expect(execFileSync("sh", ["-n"], { input: program, encoding: "utf8" })).toBe("");
      expect(program).not.toMatch(/\bSETTINGS\b|undefined/);
      const called = /^\s*(?:exec )?([a-z_]+) -?|\$\(([a-z]+) |(?:&&|\|\|) ([a-z_]+) /gm;
      const words = [...program.matchAll(called)].map(([, first, second, third]) => first ?? second ?? third);
      for (const word of ["mount", "insmod", "losetup", "switch_root"]) expect(words).toContain(word);
      for (const applet of MINI_INIT_APPLETS) expect(program).toMatch(new RegExp(`\\b${applet}\\b`));
    },
  );

  it("holds nothing that a shell would take for more than text", () => {
    expect(() => formatMiniInit({ ...MINI_INIT, init: "/sbin/in'it" })).toThrow("plain text");
    expect(() => formatMiniInit({ ...MINI_INIT, modules: ["/a\n/b"] })).toThrow("plain text");
  });
});
