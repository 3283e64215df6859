import { describe, expect, it } from "vitest";
import { parsePlatform } from "./read-platform.ts";

const read = (text: string) => parsePlatform(text, "/project/platforms/here.yaml");

describe("parsePlatform", () => {
  it("is named after its file and finds others beside it", () => {
    expect(
      read(
        "description: a TD\ntee: tdx\nfirmware:\n  file: ../OVMF.fd\nmachine:\n  memory: 2G\n  cpus: 4\n  version: '10.0'\n",
      ),
    ).toEqual({
      name: "here",
      description: "a TD",
      tee: "tdx",
      firmware: { file: "/project/OVMF.fd" },
      machine: { memoryBytes: 2 ** 31, cpus: 4, version: "10.0" },
    });
  });

  it.each([
    ["tee: tdx\n", "expected a sentence, got nothing"],
    ["description: x\nboot: pxe\n", "platforms/here.yaml:2:7: expected one of esp, systemd-boot, kernel-uki"],
    ["description: x\nmachine:\n  cpus: 0\n", "expected a whole number 1..4096"],
    ["description: x\nmachine:\n  memory: lots\n", "expected a size such as 512M or 2G"],
    ["description: x\nsnp:\n  kernelHashes: true\n", "expected tee: sev-snp beside it, got no tee"],
    ["description: x\ntee: sev-snp\ntdx: {}\n", "expected tee: tdx beside it, got sev-snp"],
    ["description: x\nboot: systemd-boot\n", "expected loader: beside it, got systemd-boot"],
    ["description: x\nloader:\n  file: a.efi\n", "expected boot: systemd-boot or grub beside it, got esp"],
    ["description: x\nboot: grub\nloader:\n  file: a.efi\n", "expected configuration: in it, which GRUB measures"],
    ["description: x\nunpredicted:\n  pcr24: no\n", "expected"],
    ["description: x\nfirmwares: {}\n", 'got the unknown key "firmwares"'],
  ])("refuses %j", (text, message) => {
    expect(() => read(text)).toThrow(message);
  });
});
