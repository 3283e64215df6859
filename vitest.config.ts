import { defineConfig } from "vitest/config";

/** Unit tests stand beside the code and take seconds; `test/` holds what crosses packages, meets peers and boots. */
export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: "unit",
          include: ["{packages,plugins}/*/src/**/*.test.ts", "test/tidy/*.test.ts"],
          testTimeout: 30_000,
        },
      },
      {
        test: {
          name: "whole",
          include: ["test/**/*.test.ts"],
          exclude: ["test/tidy/**"],
          testTimeout: 600_000,
          hookTimeout: 600_000,
          fileParallelism: false,
          // Of the tests of one file that say so, as many run side by side: boots, each of which keeps a core busy.
          maxConcurrency: 2,
        },
      },
    ],
  },
});
