import { describe, expect, it } from "vitest";
import { block, i32, i64, leave, leaveIf, loop, signedLeb, unsignedLeb } from "./code.ts";
import { instantiate } from "./instantiate.ts";
import { encodeFunction, encodeModule, type WasmFunction } from "./module.ts";

const c = i32.const;

/** `product(a, b)`: by adding; and `a` again. */
function productFunction(): WasmFunction {
  return encodeFunction({
    name: "product",
    parameters: ["a", "b"],
    resultCount: 2,
    locals: { sum: "i32", wide: "i64" },
    body: ({ a, b, sum, wide }) =>
      [
        block("done", loop("again", leaveIf("done", i32.eqz(b.get)), sum.add(a.get), b.add(c(-1)), leave("again"))),
        i32.store(c(8), sum.get),
        wide.set(i64.load(c(8))),
        i32.wrap(wide.get),
        a.get,
      ].flat(),
  });
}

describe("LEB128", () => {
  // DWARF Debugging Information Format 5, 7.6, figures 7.21 and 7.22.
  it.each([
    [2, "02"],
    [127, "7f"],
    [128, "8001"],
    [129, "8101"],
    [12_857, "b964"],
  ])("of %i without a sign is %s", (value, hex) => {
    expect(Buffer.from(unsignedLeb(value)).toString("hex")).toBe(hex);
  });

  it.each([
    [2n, "02"],
    [-2n, "7e"],
    [127n, "ff00"],
    [-127n, "817f"],
    [128n, "8001"],
    [-128n, "807f"],
    [129n, "8101"],
    [-129n, "ff7e"],
  ])("of %i with a sign is %s", (value, hex) => {
    expect(Buffer.from(signedLeb(value)).toString("hex")).toBe(hex);
  });
});

describe("modules", () => {
  it("run what their functions say", () => {
    const { exports, memory } = instantiate([productFunction()], { memoryBytes: 1 });
    const product = exports["product"] as (a: number, b: number) => [number, number];
    expect(product(7, 6)).toEqual([42, 7]);
    expect(product(-3, 5)).toEqual([-15, -3]);
    expect(new Int32Array(memory)[2]).toBe(-15);
  });

  it("begin with the magic and version of the format", () => {
    expect(Buffer.from(encodeModule([])).toString("hex", 0, 8)).toBe("0061736d01000000");
  });

  it("refuse a branch to a label that is not around it", () => {
    const parts = { name: "wrong", parameters: [], resultCount: 0, locals: {} } as const;
    const body = () => [...block("here", leave("here")), ...leave("here")];
    expect(() => encodeFunction({ ...parts, body })).toThrow('expected a block around named "here"');
  });
});
