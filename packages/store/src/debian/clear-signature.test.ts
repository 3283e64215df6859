import { readKey } from "openpgp";
import { beforeAll, describe, expect, it } from "vitest";
import { NOW } from "../store.fixture.ts";
import { type MadeKey, makeKey, signRelease } from "./archive.fixture.ts";
import { verifyClearSigned } from "./clear-signature.ts";
import type { TrustedKey } from "./keyrings.ts";

const TEXT = "Suite: stable\nCodename: trixie\nDate: Thu, 19 Nov 2026 08:00:00 UTC\n- a line with a dash\n";

let key: MadeKey;
let other: MadeKey;
let message: string;
let trusted: TrustedKey[];

beforeAll(async () => {
  [key, other] = await Promise.all([makeKey("archive"), makeKey("other")]);
  message = await signRelease(TEXT, key, new Date("2026-11-01T00:00:00Z"));
  trusted = [{ key: await readKey({ armoredKey: key.armored }), file: "archive.asc" }];
});

const verify = (text: string, trustedKeys = trusted) =>
  verifyClearSigned(text, { trusted: trustedKeys, name: "InRelease", date: NOW, allowExpiredKeys: false });

describe("a clear-signed text", () => {
  it("is what its signature covers", async () => {
    expect(await verify(message)).toEqual({ text: TEXT.trimEnd() + "\n", signedBy: [key.fingerprint] });
  });

  it("may have been through a system with other line ends", async () => {
    expect(await verify(message.replace(/\n/g, "\r\n"))).toMatchObject({ signedBy: [key.fingerprint] });
  });

  it("is none without trusted keys", async () => {
    await expect(verify(message, [])).rejects.toMatchObject({ code: "signature" });
  });

  it("is none with the signature of another text", async () => {
    const foreign = await signRelease(`${TEXT}more\n`, key, new Date("2026-11-01T00:00:00Z"));
    const cut = (text: string) => text.indexOf("-----BEGIN PGP SIGNATURE");
    const spliced = message.slice(0, cut(message)) + foreign.slice(cut(foreign));
    await expect(verify(spliced)).rejects.toMatchObject({ code: "signature" });
  });

  it("is none with a stranger's signature", async () => {
    const signed = await signRelease(TEXT, other, new Date("2026-11-01T00:00:00Z"));
    await expect(verify(signed)).rejects.toMatchObject({ code: "signature" });
  });

  it.each([
    "",
    "hello",
    "-----BEGIN PGP SIGNED MESSAGE-----",
    "-----BEGIN PGP MESSAGE-----\n\nAAAA\n-----END PGP MESSAGE-----",
  ])("is none in %j", async (text) => {
    await expect(verify(text)).rejects.toMatchObject({ code: "signature" });
  });

  it("cannot be changed anywhere without losing the signature or being the same text", async () => {
    const outcomes = new Set<string>();
    for (let at = 0; at < message.length; at += 7) {
      const changed = message.slice(0, at) + String.fromCharCode(message.charCodeAt(at) ^ 1) + message.slice(at + 1);
      const outcome = await verify(changed).catch((error: { code: string }) => error.code);
      if (typeof outcome === "string") expect(outcome).toBe("signature");
      else expect(outcome.text).toBe(TEXT);
      outcomes.add(typeof outcome === "string" ? "refused" : "the same");
    }
    expect(outcomes).toContain("refused");
  });
});
