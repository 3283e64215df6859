import { encodeModule, type WasmFunction } from "./module.ts";

/** The part of the host's WebAssembly that is used here; Node's types leave it to those of browsers. */
interface WebAssemblyHost {
  Memory: new (size: { initial: number }) => { buffer: ArrayBuffer };
  Module: new (bytes: Uint8Array<ArrayBuffer>) => object;
  Instance: new (module: object, imports: object) => { exports: Readonly<Record<string, unknown>> };
}

const { WebAssembly: host } = globalThis as unknown as { WebAssembly: WebAssemblyHost };
const PAGE_BYTES = 1 << 16;

/** Compiles functions and gives them a memory of their own, of zeros. */
export function instantiate(
  functions: readonly WasmFunction[],
  { memoryBytes }: { memoryBytes: number },
): { memory: ArrayBuffer; exports: Readonly<Record<string, unknown>> } {
  const memory = new host.Memory({ initial: Math.ceil(memoryBytes / PAGE_BYTES) });
  const { exports } = new host.Instance(new host.Module(encodeModule(functions)), { host: { memory } });
  return { memory: memory.buffer, exports };
}
