import { describe, expect, it } from "vitest";
import { decodeGuid, encodeGuid, isGuid } from "./guid.ts";

describe("GUID", () => {
  it("has its first three groups little-endian", () => {
    // EFI_GLOBAL_VARIABLE, as every variable store of OVMF has it.
    const bytes = Buffer.from("61dfe48bca93d211aa0d00e098032b8c", "hex");
    expect(encodeGuid("8be4df61-93ca-11d2-aa0d-00e098032b8c").equals(bytes)).toBe(true);
    expect(decodeGuid(bytes)).toBe("8be4df61-93ca-11d2-aa0d-00e098032b8c");
  });

  it("is text in lower case with its dashes", () => {
    expect(isGuid("8be4df61-93ca-11d2-aa0d-00e098032b8c")).toBe(true);
    for (const text of ["8BE4DF61-93CA-11D2-AA0D-00E098032B8C", "8be4df6193ca11d2aa0d00e098032b8c", ""]) {
      expect(isGuid(text)).toBe(false);
    }
  });
});
