import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setImmediate } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import type { CvmError } from "@cvm-build/bytes";
import { openSigner, readCertificates, type SecretSources, type Signer } from "@cvm-build/uki";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { requirePeers } from "../support/peers.ts";

const MODULE = "/usr/lib/softhsm/libsofthsm2.so";
const PIN = "648219";
const MESSAGE = "what is signed";

/** SoftHSM holds the keys that OpenSSL and OpenSC make, and OpenSSL judges what we have it sign. */
describe.runIf(requirePeers("openssl", "softhsm2-util", "pkcs11-tool", "p11tool"))("PKCS#11 with SoftHSM", () => {
  let directory: string;
  let environmentBefore: string | undefined;

  const run = (program: string, ...args: string[]) =>
    execFileSync(program, args, { cwd: directory, stdio: ["ignore", "pipe", "pipe"] }).toString();
  const tool = (...args: string[]) =>
    run("pkcs11-tool", "--module", MODULE, "--token-label", "release", "--login", "--pin", PIN, ...args);
  const p11tool = (...args: string[]) =>
    execFileSync("p11tool", ["--provider", MODULE, ...args], {
      cwd: directory,
      env: { ...process.env, GNUTLS_PIN: PIN },
      stdio: ["ignore", "pipe", "pipe"],
    }).toString();
  const configure = (mechanisms: string) =>
    writeFileSync(
      join(directory, "softhsm2.conf"),
      `directories.tokendir = ${join(directory, "tokens")}\nobjectstore.backend = file\nslots.mechanisms = ${mechanisms}\n`,
    );

  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), "cvm-softhsm-"));
    mkdirSync(join(directory, "tokens"));
    configure("ALL");
    // The library reads it from the process, as any PKCS#11 program's library does.
    environmentBefore = process.env["SOFTHSM2_CONF"];
    process.env["SOFTHSM2_CONF"] = join(directory, "softhsm2.conf");
    writeFileSync(join(directory, "message"), MESSAGE);
    writeFileSync(join(directory, "pin"), `${PIN}\n`, { mode: 0o600 });
    for (const label of ["release", "other"]) {
      run("softhsm2-util", "--init-token", "--free", "--label", label, "--so-pin", "12345678", "--pin", PIN);
    }
    importKey({ id: "01", label: "rsa" }, "RSA", "rsa_keygen_bits:3072");
    importKey({ id: "02", label: "p256" }, "EC", "ec_paramgen_curve:P-256");
    importKey({ id: "03", label: "p384" }, "EC", "ec_paramgen_curve:P-384");
    importKey({ id: "04", label: "p521" }, "EC", "ec_paramgen_curve:P-521");
    tool("--keypairgen", "--key-type", "EC:edwards25519", "--id", "05", "--label", "ed25519");
    tool("--keypairgen", "--key-type", "rsa:2048", "--always-auth", "--id", "06", "--label", "always");
    tool("--keygen", "--key-type", "AES:32", "--id", "07", "--label", "aes");
    tool("--keypairgen", "--key-type", "EC:prime256v1", "--id", "08", "--label", "twin");
    tool("--keypairgen", "--key-type", "EC:prime256v1", "--id", "09", "--label", "twin");
    p11tool("--login", "--generate-privkey=rsa", "--label=decrypts", "--mark-decrypt", "pkcs11:token=release");
  });
  afterAll(() => {
    if (environmentBefore === undefined) delete process.env["SOFTHSM2_CONF"];
    else process.env["SOFTHSM2_CONF"] = environmentBefore;
    rmSync(directory, { recursive: true });
  });

  function importKey({ id, label }: { id: string; label: string }, algorithm: string, option: string): void {
    run("openssl", "genpkey", "-algorithm", algorithm, "-pkeyopt", option, "-out", `${label}.key`);
    run("softhsm2-util", "--import", `${label}.key`, "--token", "release", "--label", label, "--id", id, "--pin", PIN);
  }

  const options = (secrets?: SecretSources) => ({
    directory,
    environment: { PKCS11_MODULE_PATH: MODULE },
    secrets,
  });
  const open = (attributes: string, secrets: SecretSources = { passphraseFile: "pin" }) =>
    openSigner(`pkcs11:token=release;${attributes}`, options(secrets));
  const refusal = (opened: Promise<unknown>) =>
    opened.then(
      () => undefined,
      (error: unknown) => error as CvmError,
    );

  async function expectVerified(signer: Signer): Promise<void> {
    writeFileSync(join(directory, "public"), signer.publicKey.export({ format: "pem", type: "spki" }));
    const isEdwards = signer.publicKey.asymmetricKeyType === "ed25519";
    for (const hash of isEdwards ? (["sha512"] as const) : (["sha256", "sha384", "sha512"] as const)) {
      writeFileSync(join(directory, "signature"), await signer.sign(Buffer.from(MESSAGE), hash));
      const args = isEdwards
        ? ["pkeyutl", "-verify", "-pubin", "-inkey", "public", "-rawin", "-in", "message", "-sigfile", "signature"]
        : ["dgst", `-${hash}`, "-verify", "public", "-signature", "signature", "message"];
      expect(run("openssl", ...args)).toMatch(/^(Verified OK|Signature Verified Successfully)$/m);
    }
  }

  it.each(["rsa", "p256", "p384", "ed25519", "always"])("signs with %s", async (label) => {
    await using signer = await open(`object=${label}`);
    await expectVerified(signer);
  });

  it.each(["rsa", "p256", "p384"])("has the key that was imported: %s", async (label) => {
    await using signer = await open(`object=${label};type=private`);
    const expected = run("openssl", "pkey", "-in", `${label}.key`, "-pubout");
    expect(signer.publicKey.export({ format: "pem", type: "spki" })).toBe(expected);
  });

  it("finds a key by id, a token by its other attributes, and the module and PIN by the URI", async () => {
    const uri = `pkcs11:token=release;model=SoftHSM%20v2;manufacturer=SoftHSM%20project;library-version=2.6;id=%02?module-path=${MODULE}&pin-source=file:${join(directory, "pin")}`;
    await using signer = await openSigner(uri, { directory, environment: {} });
    await expectVerified(signer);
    await expect(openSigner(uri.replace("version=2.6", "version=9.9"), { directory, environment: {} })).rejects.toThrow(
      /expected one with .*library-version=9.9, got "release", "other"|"other", "release"/,
    );
  });

  it("takes the URIs that GnuTLS writes", async () => {
    const uris = p11tool("--login", "--list-privkeys", "--only-urls", "pkcs11:token=release")
      .split("\n")
      .filter(Boolean);
    const uri = uris.find((one) => one.includes("object=p256")) ?? "";
    expect(uri).toMatch(/^pkcs11:model=SoftHSM%20v2;.*;type=private$/);
    await using signer = await openSigner(uri, options({ passphraseFile: "pin" }));
    await expectVerified(signer);
  });

  it("signs by the token's own hashing where the token offers nothing else", async () => {
    configure("-CKM_RSA_PKCS");
    try {
      await using signer = await open("object=rsa");
      await expectVerified(signer);
    } finally {
      configure("ALL");
    }
  });

  it("keeps the library where it is when JavaScript collects its garbage", async () => {
    setFlagsFromString("--expose-gc");
    const collect = runInNewContext("gc") as () => void;
    await using signer = await open("object=p256");
    collect();
    await setImmediate();
    await expectVerified(signer);
  });

  it("logs in once for several signers, and out with the last", async () => {
    let asked = 0;
    const ask = async (question: string) => {
      expect(question).toBe('PIN of token "release"');
      asked++;
      return PIN;
    };
    const first = await open("object=rsa", { ask });
    const second = await open("object=p256", { ask });
    expect(asked).toBe(1);
    await first[Symbol.asyncDispose]();
    await expectVerified(second);
    await second[Symbol.asyncDispose]();
    const third = await open("object=p256", { ask });
    expect(asked).toBe(2);
    await third[Symbol.asyncDispose]();
  });

  describe("refuses", () => {
    it("a wrong PIN, tried once", async () => {
      let asked = 0;
      const ask = () => Promise.resolve(`99999${asked++}`);
      expect(await refusal(open("object=rsa", { ask }))).toMatchObject({
        code: "signer",
        message: 'cannot log in to token "release": expected its PIN, got another one',
        hint: "it was tried once: a token counts wrong PINs and locks itself",
      });
      expect(asked).toBe(1);
      await using signer = await open("object=rsa");
      await expectVerified(signer);
    });

    it.each<[string, string, RegExp, RegExp]>([
      ["no such object", "object=none", /expected one, got none of that name$/, /the token holds .*object=rsa;id=%01/],
      ["a secret key", "object=aes", /expected one, got a secret key$/, /the token holds/],
      ["two of a name", "object=twin", /expected one, got object=twin;id=%0[89], object=twin;id=%0[89]$/, /by id=%01/],
      ["a curve that is none of ours", "object=p521", /got a key on the curve 06052b81040023$/, /^undefined$/],
      [
        "a key that may not sign",
        "object=decrypts",
        /expected a key that may sign, got CKA_SIGN false$/,
        /^undefined$/,
      ],
      ["another type", "object=rsa;type=public", /expected type=private, got type=public$/, /^undefined$/],
    ])("%s", async (_, attributes, message, hint) => {
      const error = await refusal(open(attributes));
      expect(error?.code).toBe("signer");
      expect(error?.message).toMatch(message);
      expect(String(error?.hint)).toMatch(hint);
    });

    it("an absent token, and more than one that fits", async () => {
      const absent = await refusal(openSigner("pkcs11:token=absent;object=rsa", options({ passphraseFile: "pin" })));
      expect(absent?.message).toMatch(/^cannot find token in ".*": expected one with token=absent, got "/);
      const several = await refusal(openSigner("pkcs11:object=rsa", options({ passphraseFile: "pin" })));
      expect(several?.message).toMatch(/^cannot find token in ".*": expected one token, got 2: "/);
    });

    it("a PIN file that others may read", async () => {
      writeFileSync(join(directory, "open-pin"), PIN, { mode: 0o644 });
      const error = await refusal(open("object=rsa?pin-source=file:open-pin"));
      expect(error?.message).toBe('cannot use PIN file "open-pin": expected permissions for its owner alone, got 0644');
      expect(error?.hint).toBe("chmod 600 open-pin");
    });

    it("no module, an absent one, and a library that is another", async () => {
      const none = await refusal(openSigner("pkcs11:object=rsa", { directory, environment: {} }));
      expect(none?.message).toBe("cannot use PKCS#11: expected a module, got none");
      const absent = await refusal(openSigner("pkcs11:object=rsa?module-path=absent.so", options()));
      expect(absent?.message).toBe(
        `cannot load PKCS#11 module "${join(directory, "absent.so")}": expected a library, got no such file`,
      );
      const text = await refusal(openSigner("pkcs11:object=rsa?module-path=message", options()));
      expect(text?.message).toMatch(/message": expected a PKCS#11 library, got: .*/);
      const libc = run("sh", "-c", "ldd $(command -v openssl) | awk '/libc.so/ { print $3 }'").trim();
      const other = await refusal(openSigner(`pkcs11:object=rsa?module-path=${libc}`, options()));
      expect(other?.message).toMatch(/expected a PKCS#11 library, got: Cannot find function 'C_GetFunctionList'/);
    });
  });

  describe("certificates", () => {
    beforeAll(() => {
      run(
        "openssl",
        "req",
        "-x509",
        "-key",
        "p256.key",
        "-subj",
        "/CN=db",
        "-days",
        "2",
        "-outform",
        "DER",
        "-out",
        "db.der",
      );
      tool("--write-object", "db.der", "--type", "cert", "--id", "02", "--label", "db");
    });

    it("are read without a PIN", async () => {
      const [certificate, ...more] = await readCertificates("pkcs11:token=release;object=db;type=cert", options());
      if (!certificate) throw new Error("expected a certificate");
      expect([certificate.subject, more]).toEqual(["CN=db", []]);
      await using signer = await open("object=p256");
      expect(certificate.publicKey.equals(signer.publicKey)).toBe(true);
    });

    it("are refused where there are none", async () => {
      const none = await refusal(readCertificates("pkcs11:token=release;object=rsa", options()));
      expect(none).toMatchObject({ code: "certificate", message: expect.stringMatching(/got 0$/) as string });
      const type = await refusal(readCertificates("pkcs11:token=release;object=db;type=private", options()));
      expect(type?.message).toMatch(/expected type=cert, got type=private$/);
    });

    it("give the public key where the token has no other, as private keys of RSA do", async () => {
      for (const id of ["01", "02", "03"]) tool("--delete-object", "--type", "pubkey", "--id", id);
      for (const label of ["rsa", "p256"]) {
        await using signer = await open(`object=${label}`);
        await expectVerified(signer);
      }
      expect((await refusal(open("object=p384")))?.message).toMatch(/got a key without its public half in the token$/);
    });
  });
});
