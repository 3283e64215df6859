import * as fc from "fast-check";
import { expect, test } from "vitest";
import { MentionOrder } from "./mention-order.ts";
import { makeIndex } from "./packages.fixture.ts";

const FIRST = makeIndex(`zsh
Suggests: late
Provides: shell (= 1)
Pre-Depends: early, zsh-common:any, gcc:i386
Description: nothing about ash

a
Depends: zsh | b,
 c (>= 1)

early

x-ash

ash`);
const SECOND = makeIndex("shell\n\nonly-here\n\nzsh-common", { repository: "trixie-updates" });

/** In apt's order: the package, then its fields as apt reads them, whatever their order in the stanza. */
const ORDER = ["zsh", "early", "gcc", "late", "shell", "a", "b", "c", "x-ash", "ash", "only-here", "zsh-common"];

test("names come in the order of their first mention", () => {
  const order = new MentionOrder([FIRST, SECOND]);
  expect(ORDER.toSorted((a, b) => order.compare(a, b))).toEqual(ORDER);
  expect(order.compare("nowhere", "zsh-common")).toBeGreaterThan(0);
  expect(order.compare("nowhere", "nor here")).toBe(0);
});

test("searching and numbering give one order", () => {
  const names = Array.from({ length: 40 }, (_, at) => `p${at}`);
  const name = fc.constantFrom(...names);
  const relations = fc.array(name, { maxLength: 3 }).map((list) => list.join(", "));
  const stanza = fc.tuple(name, relations, relations).map(([own, depends, provides]) => {
    return `${own}\n${provides && `Provides: ${provides}\n`}${depends && `Depends: ${depends}`}`;
  });
  fc.assert(
    fc.property(fc.array(stanza, { minLength: 1, maxLength: 8 }), (stanzas) => {
      const indexes = [makeIndex(stanzas.join("\n\n"))];
      const numbering = new MentionOrder(indexes);
      for (const each of names) numbering.compare(each, "p0");
      for (const each of names) {
        // One order for each pair, so that it never gets to numbering.
        const searching = new MentionOrder(indexes);
        expect(Math.sign(searching.compare(each, "p7"))).toBe(Math.sign(numbering.compare(each, "p7")));
      }
    }),
    { seed: 4, numRuns: 200 },
  );
});
