import { defineConfig } from "vitest/config";

/** Unit tests stand beside the code; `test/` holds what crosses packages and takes longer. */
export default defineConfig({
  test: {
    projects: [
      { test: { name: "unit", include: ["packages/*/src/**/*.test.ts"], testTimeout: 20_000 } },
      {
        test: {
          name: "whole",
          include: ["test/**/*.test.ts"],
          testTimeout: 300_000,
          hookTimeout: 600_000,
          fileParallelism: false,
        },
      },
    ],
  },
});
