import { readFileSync } from "node:fs";
import { encodeSignedData, readSignedData, SIGNATURE_HASHES, verifySignedData } from "@cvm-build/uki";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { requirePeers } from "../support/peers.ts";
import { type KeyName, KEYS, type MadeKey, run, SigningFolder } from "./signing-peers.ts";

const data = "1.2.840.113549.1.7.1";

describe.skipIf(!requirePeers("openssl"))("CMS beside openssl cms", () => {
  let folder: SigningFolder;
  let root: MadeKey;
  beforeAll(() => {
    folder = new SigningFolder();
    root = folder.makeKey("root", { key: "P-384" });
    folder.file("content", "content");
    folder.file("other", "Content");
  });
  afterAll(() => folder[Symbol.dispose]());

  const forms = SIGNATURE_HASHES.flatMap((hash) =>
    (["signed", "none"] as const).flatMap((attributes) =>
      [true, false].map((detached) => ({ hash, attributes, detached })),
    ),
  );

  it.each(Object.keys(KEYS) as KeyName[])("signs with %s what it accepts, in every form", async (key) => {
    const leaf = folder.makeKey(`leaf ${key}`, { key, issuer: root });
    for (const form of forms) {
      const content = { type: data, bytes: Buffer.from("content") };
      const request = { ...form, content, signer: leaf.signer, certificates: [leaf.certificate], wrapped: true };
      const signature = folder.file("ours.p7", await encodeSignedData(request));
      const verify = (given: string) =>
        run("openssl", [
          ...["cms", "-verify", "-binary", "-purpose", "any", "-inform", "DER", "-in", signature],
          ...["-CAfile", root.certificatePath, ...(form.detached ? ["-content", folder.file(given)] : [])],
        ]);
      expect(verify("content")).toMatch(/^content.*Verification successful/s);
      if (form.detached) expect(() => verify("other")).toThrow(/verification failure|digest|signature/i);
    }
  });

  it.each(Object.keys(KEYS) as KeyName[])("accepts what it signed with %s, in every form", (key) => {
    const leaf = folder.makeKey(`their ${key}`, { key, issuer: root });
    for (const { hash, attributes, detached } of forms) {
      const signature = folder.file("theirs.p7");
      run("openssl", [
        ...["cms", "-sign", "-binary", "-in", folder.file("content"), "-outform", "DER", "-out", signature],
        ...["-signer", leaf.certificatePath, "-inkey", leaf.keyPath, "-md", hash],
        ...[...(attributes === "none" ? ["-noattr"] : []), ...(detached ? [] : ["-nodetach"])],
      ]);
      const signed = readSignedData(readFileSync(signature));
      const verify = (content: string) =>
        verifySignedData(signed, { trusted: [root.certificate], content: Buffer.from(content) });
      expect(verify("content")).toMatchObject([{ key, hash }]);
      expect(verify("content")[0]).not.toHaveProperty("problem");
      expect(verify("content")[0]?.chain).toHaveLength(2);
      expect(verify("Content")[0]).toHaveProperty("problem");
    }
  });
});
