import {
  createHash,
  createHmac,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  sign,
  verify,
} from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openSigner } from "@cvm-build/uki";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type HttpServer, type Received, type Reply, startHttpServer } from "../support/http-server.ts";

const MESSAGE = Buffer.from("what is signed");
const CREDENTIALS = {
  AWS_ACCESS_KEY_ID: "AKIDEXAMPLE",
  AWS_SECRET_ACCESS_KEY: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
};
const KEYS = {
  RSA: {
    key: generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey,
    algorithms: ["256", "384", "512"].map((bits) => `RSASSA_PKCS1_V1_5_SHA_${bits}`),
  },
  "P-256": { key: generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey, algorithms: ["ECDSA_SHA_256"] },
  "P-384": { key: generateKeyPairSync("ec", { namedCurve: "P-384" }).privateKey, algorithms: ["ECDSA_SHA_384"] },
};
const HASHES = { RSA: "sha512", "P-256": "sha256", "P-384": "sha384" } as const;

const hmac = (key: string | Buffer, text: string) => createHmac("sha256", key).update(text).digest();
const hex = (text: string) => createHash("sha256").update(text).digest("hex");

/** The signature that a request of Signature Version 4 must bear, computed from the request as it came. */
function signatureV4({ method, path, headers, body }: Received): string {
  const [, scope = "", names = ""] =
    /^AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE\/([^,]+), ?SignedHeaders=([^,]+), ?Signature=/.exec(
      headers.authorization ?? "",
    ) ?? [];
  const [date = "", region = "", service = ""] = scope.split("/");
  const lines = names.split(";").map((name) => `${name}:${String(headers[name]).trim()}\n`);
  const canonical = `${method}\n${path}\n\n${lines.join("")}\n${names}\n${hex(body)}`;
  const toSign = `AWS4-HMAC-SHA256\n${String(headers["x-amz-date"])}\n${scope}\n${hex(canonical)}`;
  const key = [date, region, service, "aws4_request"].reduce<string | Buffer>(
    hmac,
    `AWS4${CREDENTIALS.AWS_SECRET_ACCESS_KEY}`,
  );
  return hmac(key, toSign).toString("hex");
}

it("computes the signature of get-vanilla, of AWS's test suite for Signature Version 4", () => {
  const headers = {
    host: "example.amazonaws.com",
    "x-amz-date": "20150830T123600Z",
    authorization:
      "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, SignedHeaders=host;x-amz-date, Signature=",
  };
  expect(signatureV4({ method: "GET", path: "/", headers, body: "" })).toBe(
    "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
  );
});

/** AWS KMS as its API reference describes it, on this machine; AWS itself is not called. */
describe("awskms:", () => {
  let directory: string;
  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), "cvm-aws-"));
  });
  afterAll(() => rmSync(directory, { recursive: true }));

  function kms({ key, algorithms }: { key: KeyObject; algorithms: string[] }, change = (reply: Reply) => reply) {
    return startHttpServer((request) => {
      const { "x-amz-target": target, "content-type": type, authorization = "" } = request.headers;
      if (!authorization.endsWith(`Signature=${signatureV4(request)}`)) {
        return { status: 400, body: { __type: "InvalidSignatureException", message: "The signature does not match." } };
      }
      expect([request.method, type]).toEqual(["POST", "application/x-amz-json-1.1"]);
      const body = JSON.parse(request.body) as Record<string, string>;
      if (target === "TrentService.GetPublicKey") {
        const spki = createPublicKey(key).export({ format: "der", type: "spki" }).toString("base64");
        return change({ body: { KeyId: body["KeyId"], PublicKey: spki, SigningAlgorithms: algorithms } });
      }
      expect([target, body["MessageType"]]).toEqual(["TrentService.Sign", "DIGEST"]);
      const hash = String(body["SigningAlgorithm"]).replace(/.*_SHA_/, "sha");
      expect(body["Message"]).toBe(createHash(hash).update(MESSAGE).digest("base64"));
      return change({ body: { Signature: sign(hash, MESSAGE, key).toString("base64") } });
    });
  }

  const open = (server: HttpServer, environment: Record<string, string> = CREDENTIALS, keyId = "alias/db") =>
    openSigner(`awskms:${keyId}`, {
      directory,
      environment: { AWS_ENDPOINT_URL_KMS: server.url, AWS_REGION: "eu-west-1", ...environment },
      timeoutMs: 2000,
    });

  it.each(["RSA", "P-256", "P-384"] as const)("signs a digest with %s", async (kind) => {
    await using server = await kms(KEYS[kind]);
    await using signer = await open(server);
    expect(verify(HASHES[kind], MESSAGE, signer.publicKey, await signer.sign(MESSAGE, HASHES[kind]))).toBe(true);
    expect(server.received.map(({ body }) => (JSON.parse(body) as { KeyId: string }).KeyId)).toEqual([
      "alias/db",
      "alias/db",
    ]);
    expect(server.received[0]?.headers.authorization).toContain("/eu-west-1/kms/aws4_request");
  });

  it("takes the region of an ARN, and signs a session token", async () => {
    await using server = await kms(KEYS["P-256"]);
    const arn = "arn:aws:kms:us-west-2:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab";
    await using signer = await open(server, { ...CREDENTIALS, AWS_SESSION_TOKEN: "session" }, arn);
    await signer.sign(MESSAGE, "sha256");
    for (const { headers } of server.received) {
      expect(headers.authorization).toMatch(/\/us-west-2\/kms\/aws4_request, ?SignedHeaders=[^,]*x-amz-security-token/);
      expect(headers["x-amz-security-token"]).toBe("session");
    }
  });

  it("asks the AWS command line where the environment has no credentials", async () => {
    const program = `#!/bin/sh\n[ "$*" = "configure export-credentials --format process" ] || exit 9\necho '${JSON.stringify({ Version: 1, AccessKeyId: CREDENTIALS.AWS_ACCESS_KEY_ID, SecretAccessKey: CREDENTIALS.AWS_SECRET_ACCESS_KEY, SessionToken: "of a role" })}'\n`;
    writeFileSync(join(directory, "aws"), program, { mode: 0o755 });
    await using server = await kms(KEYS.RSA);
    await using signer = await open(server, { PATH: directory });
    await signer.sign(MESSAGE, "sha512");
    expect(server.received[1]?.headers["x-amz-security-token"]).toBe("of a role");
    writeFileSync(join(directory, "aws"), "#!/bin/sh\necho Unable to locate credentials >&2\nexit 253\n");
    await expect(open(server, { PATH: directory })).rejects.toMatchObject({
      message: 'cannot obtain credentials from "aws": expected them, got Unable to locate credentials',
      hint: "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or install aws and log in with it",
    });
    await expect(open(server, { PATH: "/nonexistent" })).rejects.toThrow(/got no such program$/);
  });

  it("repeats no credentials that cannot be sent, and no address that is none", async () => {
    await using server = await kms(KEYS.RSA);
    const refused = open(server, { ...CREDENTIALS, AWS_ACCESS_KEY_ID: "an-id\nand-more" });
    await expect(refused).rejects.toThrow(/^cannot sign with AWS KMS: expected credentials of one line/);
    await expect(open(server, { ...CREDENTIALS, AWS_ENDPOINT_URL_KMS: "nowhere" })).rejects.toThrow(
      'cannot sign with AWS KMS: expected an address, got "nowhere"',
    );
  });

  it("says what the service says", async () => {
    await using server = await kms(KEYS.RSA, () => ({
      status: 400,
      body: { __type: "NotFoundException", message: "Alias arn:aws:kms:eu-west-1:1:alias/db is not found." },
    }));
    await expect(open(server)).rejects.toThrow(
      "cannot sign with AWS KMS: expected an answer in JSON, got status 400: NotFoundException Alias arn:aws:kms:eu-west-1:1:alias/db is not found.",
    );
    await expect(open(server, { ...CREDENTIALS, AWS_SECRET_ACCESS_KEY: "another" })).rejects.toThrow(
      /got status 400: InvalidSignatureException/,
    );
  });

  it.each<[string, Reply, RegExp]>([
    ["without JSON", { body: "<html>" }, /expected an answer in JSON, got status 200 without one$/],
    ["without a key", { body: {} }, /expected "PublicKey" in its answer, got none$/],
    ["with a damaged key", { body: { PublicKey: "MAA=" } }, /expected a public key in DER, got something else$/],
    ["that is too long", { body: "x".repeat(100_000) }, /expected an answer, got more than 65536 bytes$/],
    [
      "elsewhere",
      { status: 307, headers: { location: "http://127.0.0.1:1/" }, body: "" },
      /expected an answer, got .*redirect/,
    ],
  ])("refuses an answer %s", async (_, reply, message) => {
    await using server = await kms(KEYS.RSA, () => reply);
    await expect(open(server)).rejects.toThrow(message);
  });

  it("refuses a hash that the key does not sign, and a signature of another key", async () => {
    await using server = await kms(KEYS["P-256"]);
    await using signer = await open(server);
    await expect(signer.sign(MESSAGE, "sha384")).rejects.toThrow(
      /expected ECDSA_SHA_384 to be offered, got ECDSA_SHA_256$/,
    );
    const other = generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey;
    const forged = sign("sha256", MESSAGE, other).toString("base64");
    await using forger = await kms(KEYS["P-256"], ({ body }) => ({ body: { ...(body as object), Signature: forged } }));
    await using victim = await open(forger);
    await expect(victim.sign(MESSAGE, "sha256")).rejects.toThrow(
      /expected a signature that its public key verifies, got another$/,
    );
  });

  it("says that nothing answers, and that a region is missing", async () => {
    const server = await kms(KEYS.RSA);
    await server[Symbol.asyncDispose]();
    await expect(open(server)).rejects.toThrow(/^cannot sign with AWS KMS: expected an answer, got .*ECONNREFUSED/);
    await expect(openSigner("awskms:alias/db", { directory, environment: CREDENTIALS })).rejects.toMatchObject({
      code: "signer",
      hint: "name the key by its ARN, or set AWS_REGION",
    });
  });
});
