import { CvmError } from "@cvm-build/bytes";

/** More than a public key, a signature or a token needs. */
const ANSWER_LIMIT_BYTES = 64 * 1024;

/** A JSON object that a service answered. */
export type Answer = Readonly<Record<string, unknown>>;

/**
 * Sends a request and returns the JSON object that is answered.
 * @param options.service what errors call the service
 * @throws CvmError `signer` where it cannot be reached, refuses, or answers something else; with what it says of why
 */
export async function requestJson(
  url: string | URL | Request,
  { service, timeoutMs, ...init }: RequestInit & { service: string; timeoutMs: number },
): Promise<Answer> {
  const { status, text } = await exchange(url, { service, timeoutMs, ...init });
  const answer = parseObject(text);
  if (status >= 200 && status < 300 && answer) return answer;
  const got = answer ? `status ${status}: ${reasonOf(answer)}` : `status ${status} without one`;
  throw new CvmError("signer", `cannot sign with ${service}: expected an answer in JSON, got ${got}`);
}

/**
 * The address of a service, or of something below it.
 * @param text whole, or relative to `options.base`
 * @throws CvmError `signer` where it is none
 */
export function serviceUrl(text: string, { base, service }: { base?: string; service: string }): URL {
  if (URL.canParse(text, base)) return new URL(text, base);
  throw new CvmError("signer", `cannot sign with ${service}: expected an address, got "${base ?? text}"`);
}

/**
 * Takes a text out of an answer.
 * @throws CvmError `signer` where there is none
 */
export function textField(answer: Answer, name: string, service: string): string {
  const value = answer[name];
  if (typeof value === "string" && value !== "") return value;
  throw new CvmError("signer", `cannot sign with ${service}: expected "${name}" in its answer, got none`);
}

async function exchange(
  url: string | URL | Request,
  { service, timeoutMs, ...init }: RequestInit & { service: string; timeoutMs: number },
): Promise<{ status: number; text: string }> {
  try {
    // Credentials go to where they were meant for and nowhere else.
    const response = await fetch(url, { ...init, redirect: "error", signal: AbortSignal.timeout(timeoutMs) });
    const chunks: Uint8Array[] = [];
    let length = 0;
    for await (const chunk of response.body ?? []) {
      length += chunk.length;
      if (length > ANSWER_LIMIT_BYTES) throw new Error(`more than ${ANSWER_LIMIT_BYTES} bytes`);
      chunks.push(chunk);
    }
    return { status: response.status, text: Buffer.concat(chunks).toString("utf8") };
  } catch (cause) {
    const reason = (cause as Error).cause instanceof Error ? ((cause as Error).cause as Error) : (cause as Error);
    throw new CvmError("signer", `cannot sign with ${service}: expected an answer, got ${reason.message}`, { cause });
  }
}

function parseObject(text: string): Answer | undefined {
  try {
    const value = JSON.parse(text) as unknown;
    return value !== null && typeof value === "object" && !Array.isArray(value) ? (value as Answer) : undefined;
  } catch {
    return undefined;
  }
}

/** What a service says of why it refuses; each has its own way. */
function reasonOf({ __type, message, error, error_description: description }: Answer): string {
  const nested = error !== null && typeof error === "object" ? (error as Answer) : { message: error };
  const words = [__type, nested["status"] ?? nested["code"], message, nested["message"], description];
  const said = words.filter((word) => typeof word === "string").join(" ");
  return said.replaceAll(/\p{Cc}+/gu, " ").slice(0, 500) || "no reason";
}
