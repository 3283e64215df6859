import { describe, expect, it } from "vitest";
import { tdOwnerValues } from "./td-owner.ts";

describe("tdOwnerValues", () => {
  it("is zero where nobody says anything, as VMMs have it", () => {
    const zero = "00".repeat(48);
    expect(tdOwnerValues({ mrConfigId: "AB".repeat(48) })).toEqual({
      mrConfigId: "ab".repeat(48),
      mrOwner: zero,
      mrOwnerConfig: zero,
    });
  });

  it.each(["", "00", "zz".repeat(48), "00".repeat(49)])("refuses %j", (mrOwner) => {
    expect(() => tdOwnerValues({ mrOwner })).toThrow('cannot use value "mrOwner": expected 48 bytes in hex');
  });
});
