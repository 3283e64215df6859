import * as fc from "fast-check";
import { FormatError } from "@cvm-build/bytes";
import { describe, expect, it } from "vitest";
import { VmError } from "../errors.ts";
import { decodeBanks, decodePcrRead, encodeGetBanks, encodePcrRead, isNotStarted } from "./commands.ts";

/** Responses of swtpm 0.7.1, captured from a boot of OVMF and Linux. */
const BANKS = "80010000002b00000000000000000500000004000403ffffff000b03ffffff000c03ffffff000d03ffffff";
const PCR4 =
  "80010000003e00000000000000ac00000001000b03100000000000010020f71db7c3b739993f02c2d9a279b0b67e6fc5b2868dfe25ffcc2ef74c59e21b75";
const NOT_STARTED = "80010000000a00000100";

const bytes = (hex: string) => Buffer.from(hex, "hex");

describe("commands", () => {
  it("are laid out as the specification has them", () => {
    expect(encodeGetBanks().toString("hex")).toBe("8001000000160000017a000000050000000000000040");
    expect(encodePcrRead("sha256", [4]).toString("hex")).toBe("8001000000140000017e00000001000b03100000");
    expect(encodePcrRead("sha1", [0, 9, 23]).toString("hex")).toBe("8001000000140000017e00000001000403010280");
  });
});

describe("responses", () => {
  it("of a real TPM", () => {
    expect(decodeBanks(bytes(BANKS))).toEqual(["sha1", "sha256", "sha384", "sha512"]);
    const { updateCounter, values } = decodePcrRead(bytes(PCR4), "sha256");
    expect(updateCounter).toBe(0xac);
    expect([...values]).toEqual([[4, "f71db7c3b739993f02c2d9a279b0b67e6fc5b2868dfe25ffcc2ef74c59e21b75"]]);
  });

  it("leave out banks that are not allocated or not known", () => {
    const some = BANKS.replace("000403ffffff", "000403000000").replace("000d03ffffff", "001203ffffff");
    expect(decodeBanks(bytes(some))).toEqual(["sha256", "sha384"]);
  });

  it("say that nobody has started the TPM", () => {
    expect(isNotStarted(bytes(NOT_STARTED))).toBe(true);
    expect(isNotStarted(bytes(PCR4))).toBe(false);
    expect(() => decodeBanks(bytes(NOT_STARTED))).toThrow("got a TPM that the firmware has not started");
    expect(() => decodePcrRead(bytes("80010000000a00000101"), "sha1")).toThrow("got response code 0x101");
  });

  it.each([
    ["ends early", PCR4.slice(0, -2)],
    ["has another bank's digest size", PCR4.replace("0020f71d", "0014f71d")],
    ["has more digests than registers", PCR4.replace("000000010020", "000000020020")],
    ["selects by two octets", PCR4.replace("000b031000", "000b021000")],
    ["has two banks", PCR4.replace("00000001000b", "00000002000b")],
  ])("are refused where one %s", (_, hex) => {
    expect(() => decodePcrRead(bytes(hex), "sha256")).toThrow(FormatError);
  });

  it("never fail otherwise than as documented", () => {
    const mutated = fc
      .tuple(fc.constantFrom(BANKS, PCR4), fc.array(fc.tuple(fc.nat(70), fc.nat(255)), { maxLength: 4 }), fc.nat(70))
      .map(([hex, changes, end]) => {
        const copy = bytes(hex);
        for (const [at, value] of changes) if (at < copy.length) copy[at] = value;
        return copy.subarray(0, end);
      });
    fc.assert(
      fc.property(mutated, (response) => {
        for (const decode of [() => decodeBanks(response), () => decodePcrRead(response, "sha256")]) {
          try {
            decode();
          } catch (error) {
            expect(error instanceof FormatError || error instanceof VmError).toBe(true);
          }
        }
      }),
      { seed: 1, numRuns: 2000 },
    );
  });
});
