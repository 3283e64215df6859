import { describe, expect, it } from "vitest";
import { decodeUuid, derivedUuid, encodeUuid } from "./uuid.ts";

describe("UUID", () => {
  it("has its bytes in the order of its digits", () => {
    const bytes = Buffer.from("8be4df6193ca11d2aa0d00e098032b8c", "hex");
    expect(encodeUuid("8be4df61-93ca-11d2-aa0d-00e098032b8c").equals(bytes)).toBe(true);
    expect(decodeUuid(bytes)).toBe("8be4df61-93ca-11d2-aa0d-00e098032b8c");
  });

  it("is derived from seed and name", () => {
    // printf 'seed\0name' | sha256sum
    expect(derivedUuid("seed", "name")).toBe("340950a7-cfb5-8597-bf15-031a1fdd6d4f");
    expect(derivedUuid("seed", "other")).not.toBe(derivedUuid("seed", "name"));
  });
});
