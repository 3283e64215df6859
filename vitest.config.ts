import { defineConfig } from "vitest/config";

/** What meets peers, downloads and boots takes its time. */
const PATIENT = { testTimeout: 600_000, hookTimeout: 600_000 };

const FORMATS = "test/{fs-writer,measure,uki}/*.test.ts";

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
          ...PATIENT,
          name: "formats",
          // Bytes against peers that are processes of their own: a file of tests needs one core.
          include: [FORMATS],
          maxWorkers: 2,
          sequence: { groupOrder: 1 },
        },
      },
      {
        test: {
          ...PATIENT,
          name: "whole",
          include: ["test/**/*.test.ts"],
          exclude: ["test/tidy/**", "test/boots/**", FORMATS],
          fileParallelism: false,
          sequence: { groupOrder: 2 },
        },
      },
      {
        test: {
          ...PATIENT,
          name: "boots",
          include: ["test/boots/*.test.ts"],
          // An emulated processor keeps a core busy.
          maxWorkers: 2,
          maxConcurrency: 2,
          sequence: { groupOrder: 3 },
        },
      },
    ],
  },
});
