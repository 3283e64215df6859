import { createPublicKey, generateKeyPairSync, type KeyObject, verify } from "node:crypto";
import { DerTag, encodeDer, sha256Hex } from "@cvm-build/bytes";
import { keySigner, type Signer } from "@cvm-build/uki";
import { describe, expect, it } from "vitest";
import { signIdBlock } from "./id-block.ts";

/** A public key on P-384 by its coordinates, in base64url. */
function publicKey(x: string, y: string): KeyObject {
  return createPublicKey({ key: { kty: "EC", crv: "P-384", x, y }, format: "jwk" });
}

/** Someone who gives a signature that was made before. */
function replaying(key: KeyObject, rs: readonly [r: string, s: string] = ["01", "01"]): Signer {
  const integers = rs.map((hex) => {
    const bytes = Buffer.from(hex, "hex");
    return encodeDer(DerTag.integer, bytes[0]! & 0x80 ? Buffer.concat([Buffer.of(0), bytes]) : bytes);
  });
  const signature = encodeDer(DerTag.sequence, Buffer.concat(integers));
  return { publicKey: key, sign: () => Promise.resolve(signature), [Symbol.asyncDispose]: () => Promise.resolve() };
}

function base64(hex: string | undefined): string {
  return Buffer.from(hex ?? "", "hex").toString("base64");
}

const LAUNCH_DIGEST =
  "a14d638341e5674628fe1e02fbedebe5e5ab4faf1dd72d8966068e615bb99efd13d214b35c231715b38e263dc6059745";

describe("an ID block", () => {
  /** From virtee/sev 9cf2adb (Apache-2.0), `tests/id-block.rs` and `tests/measurement/test_{id,auth}_{key,sig}`. */
  it("is that of virtee/sev, for its keys and signatures", async () => {
    const idKey = publicKey(
      "9nY-TSYJzxss8i8syLjKTPVdRww8I1Usk7Foh0OQ3ZXLP97oR933n_Ke-7iAPG0f",
      "zNeo0Ee5zcHHULEZCr5tHa03qN7LFDJ7dmYZ9xJgfP0NOIU8UNqbzQgLNTick74-",
    );
    const authorKey = publicKey(
      "YnDHi9aQTNEzYpmiW5hzanHOkv7wdJTXLLKLBzyDD59WSvelwcb_xaNJc9XaRYaM",
      "hjx5MKLJhEinehAIgQLiqV-TCM0-VrVZt_06zIizzCoZd0NI_qLyyQMRkeBxh6z1",
    );
    const signed = await signIdBlock({
      launchDigest: LAUNCH_DIGEST,
      idKey: replaying(idKey, [
        "da38b7016f7b3a6147c0c81b6b8c5cef057dff71ae5e13f018f3049fc6c3a90959e0ca6a7c8f4ebd61e0f99b7dbfd3e5",
        "d8a597d14427643bc36ae16df221e91a2b33ef8b54e56429e961aaa6af5e1f3cdd032b037c266dec8183de67ca4d19d4",
      ]),
      authorKey: replaying(authorKey, [
        "99ea62b40e1fa31a776676b94ca371a7ca0e02dd18dc34116529d4ec543d0c8199edf7c35548ff8986567f55947b88bb",
        "33916fafbfa2719334e0a3fe7d1b0104b1704ffbb98898e98cd1642f25ee0fbb7da719a2485f42352a1ba75db9e861f2",
      ]),
    });
    expect(signed.idBlock.toString("base64")).toBe(
      "oU1jg0HlZ0Yo/h4C++3r5eWrT68d1y2JZgaOYVu5nv0T0hSzXCMXFbOOJj3GBZdFAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAABAAAAAAAAAAAAAwAAAAAA",
    );
    expect(sha256Hex(signed.idAuth)).toBe("357559109700077566355a0fefd0fbdcfdf7f5b82de7e3ede55f8054d4bea447");
    expect(base64(signed.idKeyDigest)).toBe("WfssaG36T+9J84M5qndckAUcKNVzg93DuvO160sUlt87DbvcuuX+J2d6ZEggdz/i");
    expect(base64(signed.authorKeyDigest)).toBe("7tgRafsMteDsNHlPEo/U4MSkb2fGWhrfqB/LJLzAiMJyNpt//D6ytq9qQoShs2xf");
  });

  /** From virtee/sev-snp-measure 8f2b337 (Apache-2.0), `tests/test_id_block.py` and `tests/keyfile`. */
  it("is that of snp-create-id-block, for its keys", async () => {
    const signed = await signIdBlock({
      launchDigest: Buffer.from("B28FLQi9p6cAqipgjFyqawDrrSl7bWioWkWx5mmlWLZ+G5HShKMB/mPE+gdQRn7t", "base64").toString(
        "hex",
      ),
      idKey: replaying(
        publicKey(
          "sg_RocK9K2UYOnbiOQrIBfbY5eKvcl5ajpPPh-wCn51F6zJrBLkr63FOFPqYb4qa",
          "LJSguKswzHY1JnWUSHaJHpVP9u9YJqYjG6bW1_br-2jOMw4eWTlO-3CAiD3caTZL",
        ),
      ),
      authorKey: replaying(
        publicKey(
          "BoEfxiQJvy2a5RwHQjJU2JPGwj-_FkrzODsPgTpifmFo2QZ6f0vZeZBYjBhBEhCg",
          "MrQgoiZW0nHc_U4lZoxy_Vi7X2hR_kcvnRYPiAsU30w2IwaJYs3k1gjnNzQtqRLJ",
        ),
      ),
    });
    const [idBlock, idAuth, author] = signed.qemuOptions.split(",");
    expect(idBlock).toBe(
      "id-block=B28FLQi9p6cAqipgjFyqawDrrSl7bWioWkWx5mmlWLZ+G5HShKMB/mPE+gdQRn7tAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAABAAAAAAAAAAAAAwAAAAAA",
    );
    expect(idAuth).toBe(`id-auth=${signed.idAuth.toString("base64")}`);
    expect(author).toBe("author-key-enabled=on");
    expect(base64(signed.idKeyDigest)).toBe("hwt+NcU/inLQ0yL3WrKvgmJ5Kq9leWIs5BMcPyHyied8sFYKXjuQs5MuZ07HCcsU");
    expect(base64(signed.authorKeyDigest)).toBe("YxEcNLv8Ckk4+aAJvQdJgNgXIyPmFZnJ/TNtqGcySOHcqY0L6PdjdqEGuK/UwKBX");
  });

  it("bears signatures that verify: of the block by the ID key, of that key by the author's", async () => {
    const id = generateKeyPairSync("ec", { namedCurve: "P-384" });
    const author = generateKeyPairSync("ec", { namedCurve: "P-384" });
    const signed = await signIdBlock({
      launchDigest: LAUNCH_DIGEST,
      familyId: Buffer.alloc(16, 0xf1),
      imageId: Buffer.alloc(16, 0x1d),
      guestSvn: 7,
      policy: 0xb_0000n,
      idKey: keySigner(id.privateKey, "id key"),
      authorKey: keySigner(author.privateKey, "author key"),
    });
    const { idBlock, idAuth } = signed;
    expect(idBlock.toString("hex")).toBe(
      `${LAUNCH_DIGEST}${"f1".repeat(16)}${"1d".repeat(16)}010000000700000000000b0000000000`,
    );
    const signatureAt = (offset: number) =>
      Buffer.concat([offset, offset + 72].map((at) => Buffer.from(idAuth.subarray(at, at + 48)).reverse()));
    const verifies = (key: KeyObject, message: Buffer, offset: number) =>
      verify("sha384", message, { key, dsaEncoding: "ieee-p1363" }, signatureAt(offset));
    const idKey = idAuth.subarray(0x240, 0x240 + 0x404);
    expect(verifies(id.publicKey, idBlock, 0x40)).toBe(true);
    expect(verifies(author.publicKey, idKey, 0x680)).toBe(true);
    expect(verifies(author.publicKey, idBlock, 0x40)).toBe(false);
  });

  it("needs no author", async () => {
    const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-384" });
    const signed = await signIdBlock({ launchDigest: LAUNCH_DIGEST, idKey: keySigner(privateKey, "id key") });
    expect(signed.authorKeyDigest).toBeUndefined();
    expect(signed.idAuth.subarray(0x680).every((byte) => byte === 0)).toBe(true);
    expect(signed.qemuOptions).not.toContain("author-key-enabled");
  });

  it("is signed by keys on P-384 alone", async () => {
    const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
    await expect(
      signIdBlock({ launchDigest: LAUNCH_DIGEST, idKey: keySigner(privateKey, "id key") }),
    ).rejects.toMatchObject({
      code: "signer",
      message: "cannot sign an ID block: expected a key on P-384, got prime256v1",
    });
  });
});
