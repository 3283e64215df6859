import { execFile, spawnSync } from "node:child_process";
import { createPrivateKey, X509Certificate } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { keySigner, type Signer } from "@cvm-build/uki";

/** Keys as `openssl req -newkey` names them. */
export const KEYS = {
  "RSA-2048": ["rsa:2048"],
  "RSA-3072": ["rsa:3072"],
  "RSA-4096": ["rsa:4096"],
  "P-256": ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"],
  "P-384": ["ec", "-pkeyopt", "ec_paramgen_curve:P-384"],
} as const;
export type KeyName = keyof typeof KEYS;

/** A certificate with its key, as OpenSSL made them. */
export interface MadeKey {
  certificatePath: string;
  keyPath: string;
  certificate: X509Certificate;
  signer: Signer;
}

/** A folder in which peers sign and verify. */
export class SigningFolder {
  readonly path = mkdtempSync(join(tmpdir(), "cvm-signing-"));

  /** Path of a file in it. */
  file(name: string, content?: Uint8Array | string): string {
    const path = join(this.path, name);
    if (content !== undefined) writeFileSync(path, content);
    return path;
  }

  /** Makes a key with a certificate: an authority of its own, or one that `issuer` issued. */
  makeKey(
    name: string,
    { key, issuer, extensions = "" }: { key: KeyName; issuer?: MadeKey; extensions?: string },
  ): MadeKey {
    const [keyPath, certificatePath, request] = ["key", "crt", "csr"].map((kind) => this.file(`${name}.${kind}`));
    const subject = ["-nodes", "-keyout", keyPath, "-subj", `/CN=${name}`] as string[];
    if (issuer) {
      run("openssl", ["req", "-newkey", ...KEYS[key], ...subject, "-out", request]);
      run("openssl", [
        ...["x509", "-req", "-in", request, "-out", certificatePath, "-days", "30", "-set_serial", "4660"],
        ...["-CA", issuer.certificatePath, "-CAkey", issuer.keyPath],
        ...(extensions ? ["-extfile", this.file(`${name}.cnf`, extensions)] : []),
      ]);
    } else {
      run("openssl", ["req", "-x509", "-newkey", ...KEYS[key], ...subject, "-out", certificatePath, "-days", "30"]);
    }
    if (!keyPath || !certificatePath) throw new Error("expected three paths");
    return {
      keyPath,
      certificatePath,
      certificate: new X509Certificate(readFileSync(certificatePath)),
      signer: keySigner(createPrivateKey(readFileSync(keyPath)), keyPath),
    };
  }

  [Symbol.dispose](): void {
    rmSync(this.path, { recursive: true });
  }
}

/** Runs a program and gives all that it prints. Throws when it fails. */
export function run(program: string, args: readonly (string | undefined)[]): string {
  const { status, stdout, stderr } = tryRun(program, args as string[]);
  if (status !== 0) throw new Error(`${program} ended with ${status}: ${stdout}${stderr}`);
  return stdout + stderr;
}

/** Says whether a program ends with 0. */
export function succeeds(program: string, args: readonly string[]): boolean {
  return tryRun(program, args).status === 0;
}

function tryRun(program: string, args: readonly string[]) {
  return spawnSync(program, args, { encoding: "utf8" });
}

/** A time stamping authority: `openssl ts -reply`, also behind HTTP for those that ask over a network. */
export class OpensslAuthority {
  readonly #folder: SigningFolder;
  readonly key: MadeKey;
  #count = 0;

  constructor(folder: SigningFolder, issuer: MadeKey) {
    this.#folder = folder;
    const extensions = "extendedKeyUsage = critical, timeStamping\n";
    this.key = folder.makeKey("authority of time", { key: "RSA-2048", issuer, extensions });
    folder.file("ts-serial", "01\n");
    folder.file(
      "ts.cnf",
      [
        "[tsa]",
        `serial = ${folder.file("ts-serial")}`,
        `signer_cert = ${this.key.certificatePath}`,
        `signer_key = ${this.key.keyPath}`,
        "signer_digest = sha256",
        "default_policy = 1.2.3.4",
        "digests = sha256, sha384, sha512",
        "accuracy = secs:1",
        "ordering = yes",
        "tsa_name = yes",
      ].join("\n"),
    );
  }

  /** Answers a query. */
  async request(query: Buffer): Promise<Buffer> {
    const name = `query-${this.#count++}`;
    const [asked, answer] = [this.#folder.file(`${name}.tsq`, query), this.#folder.file(`${name}.tsr`)];
    const args = ["ts", "-reply", "-section", "tsa", "-queryfile", asked, "-out", answer];
    await promisify(execFile)("openssl", [...args, "-config", this.#folder.file("ts.cnf")]);
    return readFileSync(answer);
  }

  /** Serves it at an address while `action` runs. */
  async serve<T>(action: (address: string) => Promise<T>): Promise<T> {
    const server = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on("data", (chunk: Buffer) => chunks.push(chunk));
      request.on("end", () => {
        void this.request(Buffer.concat(chunks)).then((answer) =>
          response.writeHead(200, { "content-type": "application/timestamp-reply" }).end(answer),
        );
      });
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    try {
      const address = server.address();
      if (typeof address !== "object" || !address) throw new Error("expected a port");
      return await action(`http://127.0.0.1:${address.port}`);
    } finally {
      server.close();
    }
  }
}
