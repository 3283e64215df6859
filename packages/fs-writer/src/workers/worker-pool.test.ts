import { CvmError, FormatError } from "@cvm-build/bytes";
import { describe, expect, it } from "vitest";
import type { FixtureTask } from "./worker-pool.fixture.ts";
import { WorkerPool } from "./worker-pool.ts";

const module = new URL("./worker-pool.fixture.ts", import.meta.url);
const caught = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => undefined,
    (error: unknown) => error,
  );

describe("WorkerPool", () => {
  it.each([1, 3])("gives every task its own result with %i threads, whatever ends first", async (size) => {
    await using pool = new WorkerPool({ module, size });
    const values = Array.from({ length: 40 }, (_, index) => index);
    const results = await Promise.all(
      values.map((value) =>
        pool.run<FixtureTask, number>({ kind: "double", value, delayMs: value % 7 === 0 ? 15 : 0 }),
      ),
    );
    expect(results).toEqual(values.map((value) => value * 2));
  });

  it("does thousands of tasks", async () => {
    await using pool = new WorkerPool({ module, size: 2 });
    const values = Array.from({ length: 5000 }, (_, index) => index);
    const results = await Promise.all(
      values.map((value) => pool.run<FixtureTask, number>({ kind: "double", value, delayMs: 0 })),
    );
    expect(results.at(-1)).toBe(9998);
  });

  it("moves transferred buffers", async () => {
    await using pool = new WorkerPool({ module, size: 1 });
    const bytes = new Uint8Array(1000);
    expect(await pool.run<FixtureTask, number>({ kind: "length", bytes }, [bytes.buffer])).toBe(1000);
    expect(bytes.length).toBe(0);
  });

  it("brings errors back as they were thrown", async () => {
    await using pool = new WorkerPool({ module, size: 1 });
    const format = await caught(pool.run<FixtureTask, void>({ kind: "format" }));
    expect(format).toBeInstanceOf(FormatError);
    expect(format).toMatchObject({
      message: "cannot decode Sample.name at 0x10: expected a, got b",
      code: "format",
      record: "Sample",
      field: "name",
      offsetBytes: 16,
      details: { expected: "a", record: "Sample" },
    });
    const ours = await caught(pool.run<FixtureTask, void>({ kind: "cvm" }));
    expect(ours).toBeInstanceOf(CvmError);
    expect(ours).not.toBeInstanceOf(FormatError);
    expect(ours).toMatchObject({
      message: 'cannot pack file "/x": expected a, got b',
      code: "archive",
      hint: "do that",
      details: { path: "/x" },
      cause: { message: "inner" },
    });
    expect(await caught(pool.run<FixtureTask, void>({ kind: "system" }))).toMatchObject({
      message: "ENOSPC: no space left on device, write",
      code: "ENOSPC",
      errno: -28,
      syscall: "write",
    });
  });

  it("fails only the task whose thread died", async () => {
    await using pool = new WorkerPool({ module, size: 1 });
    const dead = caught(pool.run<FixtureTask, void>({ kind: "exit" }));
    const next = pool.run<FixtureTask, number>({ kind: "double", value: 4, delayMs: 0 });
    expect(await dead).toMatchObject({
      code: "worker",
      message: 'cannot finish a task of "worker-pool.fixture.ts": expected a result, got exit code 3',
    });
    expect(await next).toBe(8);
  });

  it("fails a task or a result that cannot be sent, and goes on", async () => {
    await using pool = new WorkerPool({ module, size: 1 });
    expect(await caught(pool.run({ kind: "double", value: () => 1 }))).toMatchObject({ name: "DataCloneError" });
    expect(await caught(pool.run<FixtureTask, void>({ kind: "uncloneable" }))).toMatchObject({ code: "worker" });
    expect(await pool.run<FixtureTask, number>({ kind: "double", value: 4, delayMs: 0 })).toBe(8);
  });

  it("fails what is left when it is closed", async () => {
    const pool = new WorkerPool({ module, size: 1 });
    const running = caught(pool.run<FixtureTask, number>({ kind: "double", value: 1, delayMs: 5000 }));
    const waiting = caught(pool.run<FixtureTask, number>({ kind: "double", value: 2, delayMs: 0 }));
    await pool[Symbol.asyncDispose]();
    expect(await running).toMatchObject({ code: "worker" });
    expect(await waiting).toMatchObject({ code: "worker" });
    expect(await caught(pool.run({}))).toMatchObject({ message: expect.stringContaining("got a closed one") });
  });
});
