import { CvmError, FormatError } from "@cvm-build/bytes";
import { serveTasks } from "./serve-tasks.ts";

/** Tasks of the pool's own tests. */
export type FixtureTask =
  | { kind: "double"; value: number; delayMs: number }
  | { kind: "length"; bytes: Uint8Array }
  | { kind: "format" | "cvm" | "system" | "exit" | "uncloneable" };

serveTasks(async (task: FixtureTask): Promise<unknown> => {
  switch (task.kind) {
    case "double":
      if (task.delayMs > 0) await new Promise((resolve) => setTimeout(resolve, task.delayMs));
      return task.value * 2;
    case "length":
      return task.bytes.length;
    case "format":
      throw new FormatError({ record: "Sample", field: "name", offsetBytes: 16 }, "expected a, got b", {
        details: { expected: "a" },
      });
    case "cvm":
      throw new CvmError("archive", 'cannot pack file "/x": expected a, got b', {
        hint: "do that",
        details: { path: "/x" },
        cause: new Error("inner"),
      });
    case "system":
      throw Object.assign(new Error("ENOSPC: no space left on device, write"), {
        code: "ENOSPC",
        errno: -28,
        syscall: "write",
      });
    case "exit":
      return process.exit(3);
    case "uncloneable":
      return () => 1;
  }
});
