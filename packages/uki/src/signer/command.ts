import { createPublicKey, type KeyObject } from "node:crypto";
import { resolve } from "node:path";
import { ukiError } from "../error.ts";
import { converse } from "./conversation.ts";
import type { ExternalKey } from "./external.ts";
import type { SignerOptions } from "./options.ts";

/** Which version of the protocol of docs/signing.md is spoken. */
const VERSION = 1;
const TIMEOUT_MS = 120_000;
const SPKI = /^-----BEGIN PUBLIC KEY-----\r?\n[\s\S]*-----END PUBLIC KEY-----\s*$/;
const BASE64 = /^(?:[A-Za-z0-9+/]{4})+(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

/**
 * Opens a key that a program signs with.
 * @param reference `command:` with a program and its arguments, split at blanks, or a JSON array of them
 * @throws CvmError `signer`
 */
export async function openCommandKey(reference: string, options: SignerOptions): Promise<ExternalKey> {
  const { directory, environment, timeoutMs = TIMEOUT_MS } = options;
  const [program = "", ...args] = splitCommand(reference.slice("command:".length));
  // A bare name is looked for in PATH; anything else starts from where relative paths do.
  const path = program.includes("/") ? resolve(directory, program) : program;
  const ask = async (request: Readonly<Record<string, unknown>>, field: string): Promise<string> => {
    const input = `${JSON.stringify({ version: VERSION, ...request })}\n`;
    const output = await converse({ program: path, args, directory, environment, input, timeoutMs });
    return answerField(output, field, program);
  };
  return {
    publicKey: decodePublicKey(await ask({ operation: "public-key" }, "publicKey"), program),
    ecdsaEncoding: "der",
    sign: async ({ message, digest, hash }) => {
      const request = {
        operation: "sign",
        hash,
        message: Buffer.from(message).toString("base64"),
        digest: digest.toString("base64"),
      };
      const signature = await ask(request, "signature");
      if (BASE64.test(signature)) return Buffer.from(signature, "base64");
      throw unfitAnswer(program, "a signature in base64");
    },
    close: () => Promise.resolve(),
  };
}

function splitCommand(command: string): string[] {
  if (!command.trimStart().startsWith("[")) return nonEmpty(command.split(/\s+/).filter(Boolean), command);
  try {
    return nonEmpty(JSON.parse(command) as unknown, command);
  } catch (cause) {
    if (!(cause instanceof SyntaxError)) throw cause;
    return nonEmpty(undefined, command);
  }
}

function nonEmpty(words: unknown, command: string): string[] {
  const isCommand = Array.isArray(words) && words.length > 0 && words.every((word) => typeof word === "string");
  if (isCommand && words[0] !== "") return words as string[];
  throw ukiError(
    "signer",
    `cannot run command "${command}": expected a program and its arguments, got something else`,
    {
      hint: 'command:PROGRAM ARGUMENT... or command:["PROGRAM", "AN ARGUMENT WITH BLANKS"]',
    },
  );
}

function answerField(output: string, field: string, program: string): string {
  let answer: unknown;
  try {
    answer = JSON.parse(output);
  } catch {
    throw unfitAnswer(program, `one JSON object with "${field}"`);
  }
  const fields = answer !== null && typeof answer === "object" ? Object.entries(answer as object) : [];
  const [only] = fields;
  if (fields.length === 1 && only?.[0] === field && typeof only[1] === "string") return only[1];
  throw unfitAnswer(program, `"${field}" and nothing else in its answer`);
}

function decodePublicKey(pem: string, program: string): KeyObject {
  try {
    // A private key would be taken for its public half, and has no business here.
    if (SPKI.test(pem)) return createPublicKey(pem);
  } catch {
    // Refused below.
  }
  throw unfitAnswer(program, "a public key as PEM of SubjectPublicKeyInfo");
}

function unfitAnswer(program: string, expected: string): Error {
  // Not what was got: a program that is wrong about the protocol may say anything, a key too.
  return ukiError("signer", `cannot sign with command "${program}": expected ${expected}, got something else`);
}
