import { bytesSource } from "@cvm-build/bytes";
import { describe, expect, it } from "vitest";
import { makeImage, makeSigned } from "./authenticode/image.fixture.ts";
import { makeDeviceTree } from "./device-tree.fixture.ts";
import { encodeEfiFirmware } from "./efi-firmware.ts";
import { encodeHwids } from "./hwids/writer.ts";
import { inspectUki } from "./inspect.ts";
import { makeAddonStub, makeKernel, makePe, makeStub, makeZboot } from "./pe/pe.fixture.ts";

const inspect = (bytes: Buffer) => inspectUki(bytesSource(bytes));

describe("inspectUki", () => {
  it.each<[string, Buffer]>([
    ["uki", makeStub("257", { sections: [{ name: ".linux", content: "x" }] })],
    [
      "uki",
      makeStub("257", {
        sections: [
          { name: ".profile", content: "ID=a" },
          { name: ".linux", content: "x" },
        ],
      }),
    ],
    ["addon", makeAddonStub("257", { sections: [{ name: ".cmdline", content: "x" }] })],
    ["addon", makePe({ sections: [{ name: ".dtb", content: "x" }] })],
    ["profile", makeAddonStub("257", { sections: [{ name: ".profile", content: "ID=a" }] })],
    ["stub", makeStub("257")],
    ["stub", makeAddonStub("257")],
    ["kernel", makeKernel("6.12")],
    ["kernel", makeZboot(makeKernel("6.12"), "gzip")],
    ["efi", makePe({ sections: [{ name: ".text", content: "x" }] })],
  ])("knows a %s", (kind, bytes) => {
    expect(inspect(bytes).kind).toBe(kind);
  });

  it.each([
    ["x86-64", 0x8664],
    ["aarch64", 0xaa64],
    ["machine 0x1234", 0x1234],
  ])("names %s", (name, machine) => {
    expect(inspect(makeStub("257", { coff: { machine } })).machine).toBe(name);
  });

  it("says who has signed, and whether it is this image that was signed", async () => {
    const signed = await makeSigned();
    const [signature, ...more] = inspect(signed).signatures ?? [];
    expect(more).toEqual([]);
    expect(signature).toMatchObject({
      subject: expect.stringContaining("CN=") as string,
      key: "RSA-2048",
      hash: "sha256",
    });
    expect(signature?.problem).toBeUndefined();
    expect(signature?.digest).toBe(inspect(makeImage()).authenticode.sha256);
    signed.write("CODE", signed.indexOf("code"), "latin1");
    expect(inspect(signed).signatures?.[0]?.problem).toContain("expected image digest");
    expect(inspect(makeImage()).signatures).toBeUndefined();
    const damaged = makePe({
      sections: [{ name: ".text", content: "x" }],
      trailing: Buffer.alloc(16),
      securityBytes: 16,
    });
    expect(inspect(damaged).signatures).toEqual([{ problem: expect.stringContaining("WIN_CERTIFICATE") as string }]);
  });

  it("shows what is chosen by hardware, all of it, and what is damaged", () => {
    const tree = (compatible: string) => makeDeviceTree([["compatible", `${compatible}\0`]]);
    const firmware = encodeEfiFirmware({ id: "fw", payload: bytesSource(Buffer.from("x")) });
    const hwids = encodeHwids([
      {
        path: "a.json",
        text: JSON.stringify({ name: "A", compatible: "acme,a", hwids: ["01020304-0506-0708-090a-0b0c0d0e0f10"] }),
      },
    ]);
    const { sections } = inspect(
      makeStub("262", {
        headerBytes: 2048,
        sections: [
          { name: ".dtbauto", content: tree("acme,a") },
          { name: ".dtbauto", content: tree("acme,b") },
          { name: ".hwids", content: hwids },
          { name: ".efifw", content: firmware.read(0, firmware.sizeBytes) },
          { name: ".dtb", content: "no device tree" },
        ],
      }),
    );
    const meanings = sections
      .filter(({ name }) => name !== ".sbat")
      .map(({ offsetBytes: _offset, sizeBytes: _size, sha256: _digest, ...meaning }) => meaning);
    expect(meanings).toEqual([
      { name: ".dtb", problem: "cannot decode DeviceTreeHeader at 0x0: expected 40 bytes, got 14" },
      { name: ".dtbauto", compatible: ["acme,a"] },
      { name: ".dtbauto", compatible: ["acme,b"] },
      {
        name: ".hwids",
        devices: [{ type: "devicetree", name: "A", value: "acme,a", chids: ["01020304-0506-0708-090a-0b0c0d0e0f10"] }],
      },
      { name: ".efifw", firmwareId: "fw" },
    ]);
  });
});
