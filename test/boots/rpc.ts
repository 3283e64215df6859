/** Asks a node over JSON-RPC on 127.0.0.1. Rejects where it does not answer within `timeoutMs`. */
export async function callRpc(port: number, method: string, { timeoutMs }: { timeoutMs: number }): Promise<unknown> {
  const response = await fetch(`http://127.0.0.1:${port}/`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ jsonrpc: "2.0", id: 1, method, params: [] }),
    signal: AbortSignal.timeout(timeoutMs),
  });
  const answer = (await response.json()) as { result?: unknown };
  return answer.result;
}

/** Waits until `attempt` gives a value, asking again every half second. Undefined and errors mean "not yet". */
export async function eventually<T>(
  attempt: () => Promise<T | undefined>,
  options: { what: string; timeoutSec: number },
): Promise<T> {
  const deadlineMs = performance.now() + options.timeoutSec * 1000;
  let last: unknown;
  while (performance.now() < deadlineMs) {
    try {
      const value = await attempt();
      if (value !== undefined) return value;
    } catch (error) {
      last = error;
    }
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
  throw new Error(`cannot see ${options.what} within ${options.timeoutSec} s`, { cause: last });
}
