import { expect, test } from "vitest";
import { suggestNames } from "./suggest.ts";

test("suggestions are near or go on where the name stops", () => {
  const names = ["systemd", "systemd-sysv", "sysstat", "sytemd", "bash", "systemd-resolved"];
  expect(suggestNames("systmd", names)).toEqual(["systemd", "sytemd"]);
  expect(suggestNames("systemd-res", names)).toEqual(["systemd-sysv", "systemd-resolved"]);
  expect(suggestNames("qq", names)).toEqual([]);
});
