import { CvmError } from "@cvm-build/bytes";
import type { TimestampAuthority } from "@cvm-build/uki";
import type { Surroundings } from "./surroundings.ts";

/** How long a time stamp may take, and how large it may be. */
const TIMESTAMP = { timeoutMs: 30_000, maxBytes: 1 << 16, nonceBytes: 8 } as const;

/**
 * An authority that says when something was signed, asked over HTTP.
 * @throws CvmError `signature` for an address with a password; when it is asked, where it does not answer
 * @see RFC 3161, section 3.4
 */
export function timestampAuthority(url: string, { randomBytes, offline, signal }: Surroundings): TimestampAuthority {
  if (/^[^/]*\/\/[^/]*@/.test(url)) {
    // Before anything is quoted, as with PINs.
    throw new CvmError(
      "signature",
      "cannot stamp the signature: expected an address without a password, got one with it",
    );
  }
  const failed = (got: string, cause?: unknown) =>
    new CvmError("signature", `cannot stamp the signature at "${url}": expected a time stamp, got ${got}`, {
      hint: "try again, name another authority, or sign without --timestamp",
      cause,
    });
  return {
    nonce: Buffer.from(randomBytes(TIMESTAMP.nonceBytes)),
    async request(query) {
      if (offline) throw failed("no network, as --offline says");
      const timeout = AbortSignal.timeout(TIMESTAMP.timeoutMs);
      try {
        const response = await fetch(url, {
          method: "POST",
          headers: { "content-type": "application/timestamp-query" },
          body: new Uint8Array(query),
          signal: signal ? AbortSignal.any([signal, timeout]) : timeout,
        });
        if (!response.ok) throw failed(`HTTP status ${response.status}`);
        return await readBounded(response);
      } catch (error) {
        throw error instanceof CvmError ? error : failed((error as Error).message, error);
      }
    },
  };
}

async function readBounded(response: Response): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let sizeBytes = 0;
  for await (const chunk of response.body ?? []) {
    sizeBytes += chunk.byteLength;
    if (sizeBytes > TIMESTAMP.maxBytes) throw new Error(`more than ${TIMESTAMP.maxBytes} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
