import { readDer } from "@cvm-build/bytes";
import { describe, expect, it } from "vitest";
import { integer, sequence } from "../asn1/writer.ts";
import { DIGEST_OID } from "../cms/format.ts";
import { type AuthorityFaults, makeAuthority, makeImprint, makeStamper } from "./timestamp.fixture.ts";
import { readTimestamp, readTimestampResponse } from "./reader.ts";
import { TIME_STAMPING } from "./format.ts";
import { requestTimestamp } from "./request.ts";
import { verifyTimestamp } from "./verify.ts";
import { encodeTimestampRequest } from "./writer.ts";

const bytes = Buffer.from("content");

describe("time stamps", () => {
  it("are asked for in the bytes of openssl ts", () => {
    // printf content | openssl ts -query -sha256 -cert -no_nonce -data /dev/stdin | xxd -p
    expect(encodeTimestampRequest(bytes, { hash: "sha256" }).toString("hex")).toBe(
      "30390201013031300d060960864801650304020105000420ed7002b439e9ac845f22357d822bac1444730fbdb6016d3ec9432297b9ec9f730101ff",
    );
  });

  it("say when, and lead to an authority that is trusted for itself", async () => {
    const authority = { ...makeAuthority(), nonce: Buffer.from("00f1", "hex") };
    const timestamp = readTimestamp(await requestTimestamp(bytes, { authority, hash: "sha256" }));
    const { certificate } = authority.identity;
    const { chain, ...verified } = verifyTimestamp(timestamp, { stamped: bytes, trusted: [certificate] });
    expect(verified).toMatchObject({ time: "2026-01-02T03:04:05Z", key: "P-256", hash: "sha256" });
    expect(verified.problem).toBeUndefined();
    expect(chain?.map(({ raw }) => raw)).toEqual([certificate.raw]);
    expect(verifyTimestamp(timestamp, { stamped: bytes, trusted: [] }).chain).toBeUndefined();
    const ofAnother = verifyTimestamp(timestamp, { stamped: Buffer.from("other"), trusted: [certificate] });
    expect(ofAnother.problem).toBe("expected a time stamp of this signature, got another");
    expect(ofAnother.time).toBeUndefined();
  });

  it.each<[string, AuthorityFaults, string]>([
    ["a refusal", { status: 2 }, 'expected a time stamp, got status 2 "no time"'],
    ["another nonce", { nonce: integer(7) }, "expected the query's nonce, got another"],
    [
      "a stamp of something else",
      { imprint: makeImprint(DIGEST_OID.sha256, Buffer.alloc(32)) },
      "expected a time stamp of this signature, got another",
    ],
    [
      "a stamp of SHA-1",
      { imprint: makeImprint("1.3.14.3.2.26", Buffer.alloc(20)) },
      "expected a time stamp of sha256, sha384, sha512, got 1.3.14.3.2.26",
    ],
    [
      "a certificate for something else",
      { identity: makeStamper(["1.3.6.1.5.5.7.3.3"]) },
      "expected the certificate of a time stamping authority, got another",
    ],
    [
      "a certificate for something else, too",
      { identity: makeStamper([TIME_STAMPING, "1.3.6.1.5.5.7.3.3"]) },
      "expected the certificate of a time stamping authority, got another",
    ],
    [
      "a certificate whose purpose need not be understood",
      { identity: makeStamper([TIME_STAMPING], { critical: false }) },
      "expected the certificate of a time stamping authority, got another",
    ],
    ["a time that is none", { time: "yesterday" }, "TSTInfo.genTime: expected a time such as 20260101120000Z"],
    ["a local time", { time: "20260102030405+0100" }, "TSTInfo.genTime: expected a time such as 20260101120000Z"],
  ])("refuse %s", async (_, faults, message) => {
    const authority = { ...makeAuthority(faults), nonce: Buffer.of(1, 2, 3) };
    await expect(requestTimestamp(bytes, { authority, hash: "sha384" })).rejects.toMatchObject({
      code: "signature",
      message: expect.stringContaining(message),
    });
  });

  it("refuse an answer that is none", async () => {
    for (const answer of [Buffer.from("<html>"), Buffer.alloc(0), sequence(sequence(integer(0)))]) {
      const authority = { request: () => Promise.resolve(answer) };
      await expect(requestTimestamp(bytes, { authority, hash: "sha256" })).rejects.toMatchObject({ code: "signature" });
    }
  });

  it("are answers' second part", async () => {
    const answer = await makeAuthority().request(encodeTimestampRequest(bytes, { hash: "sha256" }));
    const { status, text, token } = readTimestampResponse(answer);
    expect([status, text]).toEqual([0, ""]);
    expect(token && readDer(token).encoded.length).toBe(token?.length);
  });
});
