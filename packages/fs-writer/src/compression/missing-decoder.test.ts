import { bytesSource } from "@cvm-build/bytes";
import { expect, it, vi } from "vitest";
import { decompressWhole } from "./decompress.ts";

vi.mock("@napi-rs/lzma/xz", () => {
  throw new Error("Cannot find native binding");
});

it("says what to do when the xz decoder is not installed", async () => {
  const xz = bytesSource(Buffer.from("fd377a585a000000", "hex"));
  await expect(decompressWhole(xz, { maxSizeBytes: 100 })).rejects.toThrow(
    expect.objectContaining({
      code: "compression",
      message: expect.stringMatching(/^cannot load the xz decoder: expected its native part for \w+-\w+, got none$/),
      hint: expect.stringContaining("pnpm"),
    }),
  );
});
