import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { diffSequences, type Step } from "./sequence.ts";

const options = { key: (item: string) => item.charAt(0), isEqual: (a: string, b: string) => a === b };
const show = (steps: Step<string>[]) =>
  steps.map((step) => {
    if (step.kind === "removed") return `-${step.a}`;
    return step.kind === "added" ? `+${step.b}` : step.kind === "same" ? step.a : `${step.a}>${step.b}`;
  });

describe("diffSequences", () => {
  it.each([
    ["", "", []],
    ["a", "a", ["a"]],
    ["a1", "a2", ["a1>a2"]],
    ["a b c", "a c", ["a", "-b", "c"]],
    ["a c", "a b c", ["a", "+b", "c"]],
    ["a b", "c d", ["-a", "-b", "+c", "+d"]],
    ["a x b", "x a b", ["-a", "x", "+a", "b"]],
    ["", "a b", ["+a", "+b"]],
  ])("makes %o of %o", (a, b, expected) => {
    expect(show(diffSequences(a.split(" ").filter(Boolean), b.split(" ").filter(Boolean), options))).toEqual(expected);
  });

  it("loses nothing of either and pairs what is the same", () => {
    const list = fc.array(fc.constantFrom("a1", "a2", "b1", "c1", "c2", "d1"), { maxLength: 12 });
    fc.assert(
      fc.property(list, list, (a, b) => {
        const steps = diffSequences(a, b, options);
        expect(steps.flatMap((step) => ("a" in step ? [step.a] : []))).toEqual(a);
        expect(steps.flatMap((step) => ("b" in step ? [step.b] : []))).toEqual(b);
        for (const step of steps) {
          if (step.kind === "same") expect(step.a).toBe(step.b);
          if (step.kind === "changed") expect(options.key(step.a)).toBe(options.key(step.b));
        }
      }),
      { seed: 1, numRuns: 500 },
    );
  });
});
