import { bytesSource, sha256Hex } from "@cvm-build/bytes";
import { expect, it } from "vitest";
import { contentChunks, readContent } from "./content.ts";
import { LazyContent } from "./lazy-content.ts";

it("is read when it is asked for, and hashed once", () => {
  let reads = 0;
  const content = new LazyContent(6, () => {
    reads++;
    return [Buffer.from("abc"), Buffer.from("def")];
  });
  expect(reads).toBe(0);
  expect([...contentChunks(content)].map(String)).toEqual(["abc", "def"]);
  expect([reads, content.sha256, reads]).toEqual([1, sha256Hex("abcdef"), 1]);
  expect(readContent(content).toString()).toBe("abcdef");
  expect(new LazyContent(0, () => []).sha256).toBe(sha256Hex(""));
  expect(LazyContent.in(bytesSource(Buffer.from("x"))).bytes.toString()).toBe("x");
});
