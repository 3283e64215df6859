import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { obtainSecret } from "./secret.ts";

describe("obtainSecret", () => {
  const directory = mkdtempSync(join(tmpdir(), "cvm-secret-"));
  afterAll(() => rmSync(directory, { recursive: true, force: true }));
  const options = (secrets: Parameters<typeof obtainSecret>[1]["secrets"]) => ({ directory, environment: {}, secrets });

  it("reads a file once, which may be a pipe, and for each run anew", async () => {
    const passphraseFile = join(directory, "once");
    writeFileSync(passphraseFile, "first\n", { mode: 0o600 });
    const secrets = { passphraseFile };
    expect(await obtainSecret("passphrase of a key", options(secrets))).toBe("first");
    writeFileSync(passphraseFile, "second\n");
    expect(await obtainSecret("passphrase of another", options(secrets))).toBe("first");
    expect(await obtainSecret("passphrase of another", options({ ...secrets }))).toBe("second");
  });

  it("asks each question once", async () => {
    const questions: string[] = [];
    const secrets = { ask: (question: string) => Promise.resolve(`${questions.push(question)}`) };
    const answers = ["a", "b", "a"].map((key) => () => obtainSecret(`passphrase of "${key}"`, options(secrets)));
    const given: string[] = [];
    for (const answer of answers) given.push(await answer());
    expect(given).toEqual(["1", "2", "1"]);
    expect(questions).toEqual(['passphrase of "a"', 'passphrase of "b"']);
  });

  it("says what is missing", async () => {
    await expect(obtainSecret("PIN", options(undefined))).rejects.toMatchObject({ code: "signer" });
  });
});
