import { mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { FormatError, sha256Hex } from "@cvm-build/bytes";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { contentChunks, contentOf, readContent } from "./content.ts";
import type { Content } from "./tree.ts";

const bytes = Buffer.alloc(3_000_000, "some content ");
let folder: string;
let path: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "cvm-content-"));
  path = join(folder, "payload");
});
afterAll(() => rmSync(folder, { recursive: true }));

function placed(): Content {
  writeFileSync(path, Buffer.concat([Buffer.alloc(10, "x"), bytes, Buffer.alloc(10, "y")]));
  return { sizeBytes: bytes.length, sha256: sha256Hex(bytes), file: { path, offsetBytes: 10 } };
}

describe("content", () => {
  it("reads by value and by place, whole and in pieces", () => {
    for (const content of [contentOf(bytes), placed()]) {
      expect(readContent(content).equals(bytes)).toBe(true);
      const chunks = Array.from(contentChunks(content), (chunk) => Buffer.from(chunk));
      expect(Buffer.concat(chunks).equals(bytes)).toBe(true);
      expect(chunks.length).toBeGreaterThan(1);
    }
    expect(readContent(contentOf("")).length).toBe(0);
    expect([...contentChunks(contentOf(""))]).toEqual([]);
  });

  it("refuses a place that holds other bytes or has ended", () => {
    const content = placed();
    const shifted: Content = { ...content, file: { path, offsetBytes: 11 } };
    expect(() => readContent(shifted)).toThrow(`expected content with SHA-256 ${content.sha256}`);
    expect(() => [...contentChunks(shifted)]).toThrow(FormatError);
    truncateSync(path, 1_000_000);
    expect(() => readContent(content)).toThrow(FormatError);
    expect(() => [...contentChunks(content)]).toThrow(FormatError);
  });
});
