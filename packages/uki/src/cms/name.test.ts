import { describe, expect, it } from "vitest";
import { ecKey, makeIdentity } from "./certificate.fixture.ts";
import { oneLineName } from "./name.ts";

const subjectOf = (name: string) => makeIdentity({ name, privateKey: ecKey() }).certificate.subject;

describe("oneLineName", () => {
  it.each([
    ["a name", "db", "CN=db"],
    ["no name at all", "", "(no name)"],
    ["parts that imitate others, as OpenSSL escapes them", "a, CN=db\nb", String.raw`CN=a\, CN=db\0Ab`],
    ["what a terminal may obey", "a\u009b31mb\u0085", "CN=a?31mb?"],
  ])("shows %s", (_, name, shown) => {
    expect(oneLineName(subjectOf(name))).toBe(shown);
  });

  it("puts the parts of a name on one line", () => {
    expect(oneLineName("C=DE\nO=Example\nCN=db")).toBe("C=DE, O=Example, CN=db");
  });
});
