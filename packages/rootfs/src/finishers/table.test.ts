import { describe, expect, it } from "vitest";
import { HANDLED_SNIPPETS } from "../scripts/handled-snippets.ts";
import { FINISHERS } from "./table.ts";

describe("FINISHERS", () => {
  const names = FINISHERS.map(({ name }) => name);

  it("have names of their own", () => {
    expect(new Set(names).size).toBe(names.length);
  });

  it("are there for every snippet that is called handled", () => {
    expect(HANDLED_SNIPPETS.map(({ by }) => by).filter((by) => !names.includes(by))).toEqual([]);
  });

  it.each([
    ["extra-trees", "sysusers"],
    ["extra-trees", "services"],
    ["base-passwd", "sysusers"],
    ["adduser", "stat-overrides"],
    ["tmpfiles", "remove-files"],
    ["services", "unit-enablement"],
    ["unit-enablement", "remove-files"],
    ["remove-files", "kernel-modules"],
    ["remove-files", "linker-cache"],
  ])("%s acts before %s", (first, second) => {
    expect(names.indexOf(first)).toBeGreaterThanOrEqual(0);
    expect(names.indexOf(first)).toBeLessThan(names.indexOf(second));
  });
});
