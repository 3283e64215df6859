import { execFileSync } from "node:child_process";
import { createPrivateKey, randomBytes, X509Certificate } from "node:crypto";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { bytesSource, openFileSource } from "@cvm-build/bytes";
import {
  authenticatedContent,
  authenticodeDigests,
  certificateList,
  currentVariables,
  digestList,
  encodeAuthenticatedVariable,
  encodeSignatureLists,
  enrolledVariables,
  generateKeySet,
  type KeySet,
  keySigner,
  readAuthenticatedVariable,
  readSignatureLists,
  readVariableStore,
  SECURE_BOOT_KEYS,
  writeVariableStore,
} from "@cvm-build/uki";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { requirePeers } from "../support/peers.ts";
import { debianRoot } from "../support/trixie-root.ts";

const owner = "8a1d2c3b-1122-4455-8899-0123456789ab";
const timestamp = new Date("2026-01-02T03:04:05Z");

let folder: string;
let keys: KeySet;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "cvm-secure-boot-"));
  keys = await generateKeySet({
    algorithm: "rsa2048",
    names: { PK: "Test PK", KEK: "Test KEK", db: "Test db" },
    notBefore: timestamp,
    notAfter: new Date("2036-01-01T00:00:00Z"),
    owner,
    randomBytes,
  });
  for (const { name, content, mode } of keys.files) writeFileSync(join(folder, name), content, { mode });
});
afterAll(() => rmSync(folder, { recursive: true }));

const path = (name: string) => join(folder, name);
const run = (program: string, ...args: string[]) => execFileSync(program, args, { cwd: folder, stdio: "pipe" });

describe.skipIf(!requirePeers("cert-to-efi-sig-list", "sign-efi-sig-list"))("against efitools", () => {
  it("writes the same signature lists", () => {
    run("cert-to-efi-sig-list", "-g", owner, "db.crt", "their.esl");
    expect(readFileSync(path("their.esl")).equals(keys.variables.db)).toBe(true);
  });

  it("writes the same authenticated variables: the same bytes for the same key and time", () => {
    for (const [name, by] of [
      ["PK", "PK"],
      ["KEK", "PK"],
      ["db", "KEK"],
    ] as const) {
      const time = "2026-01-02 03:04:05";
      run("sign-efi-sig-list", "-t", time, "-k", `${by}.key`, "-c", `${by}.crt`, name, `${name}.esl`, "their.auth");
      expect(readFileSync(path("their.auth")).equals(readFileSync(path(`${name}.auth`))), name).toBe(true);
    }
  });

  it("signs the same content, to replace or to append", () => {
    const data = keys.variables.db;
    for (const [append, flags] of [
      [false, []],
      [true, ["-a"]],
    ] as const) {
      run("sign-efi-sig-list", "-o", ...flags, "-t", "2026-01-02 03:04:05", "db", "db.esl", "their.bundle");
      const content = authenticatedContent({ name: "db", vendor: SECURE_BOOT_KEYS.db, data, timestamp, append });
      expect(readFileSync(path("their.bundle")).equals(content)).toBe(true);
    }
  });

  it("has its lists read: each certificate comes out as it went in", () => {
    const der = readFileSync(path("db.cer"));
    const lists = [certificateList({ owner, der }), certificateList({ owner, der: readFileSync(path("KEK.cer")) })];
    writeFileSync(path("two.esl"), encodeSignatureLists(lists));
    const said = run("sig-list-to-certs", "two.esl", "out").toString();
    expect(said.match(new RegExp(owner, "g"))).toHaveLength(2);
    expect(readFileSync(path("out-0.der")).equals(der)).toBe(true);
    expect(readFileSync(path("out-1.der")).equals(readFileSync(path("KEK.cer")))).toBe(true);
  });

  // It pads what it hashes to 8 bytes, as signing tools do and firmware does not: a signed image has that size already.
  const image = join(import.meta.dirname, "../../../shared/vectors/authenticode/HelloWorld.efi.signed");
  it.skipIf(!existsSync(image))("reads its list of image digests", () => {
    run("hash-to-efi-sig-list", image, "their-hash.esl");
    const [list] = readSignatureLists(readFileSync(path("their-hash.esl")));
    const { sha256 } = authenticodeDigests(bytesSource(readFileSync(image)), ["sha256"]);
    expect(list).toEqual(digestList({ owner: list?.signatures[0]?.owner ?? "", sha256: [Buffer.from(sha256, "hex")] }));
  });
});

describe.skipIf(!requirePeers("openssl"))("against OpenSSL", () => {
  it("signs authenticated variables that verify, with keys of every kind", async () => {
    for (const algorithm of ["p256", "p384", "rsa4096"] as const) {
      const set = await generateKeySet({
        algorithm,
        names: { PK: "Test PK", KEK: "Test KEK", db: "Test db" },
        notBefore: timestamp,
        notAfter: new Date("2036-01-01T00:00:00Z"),
        owner,
        randomBytes,
      });
      const content = (name: string) => set.files.find((file) => file.name === name)?.content ?? Buffer.alloc(0);
      const signer = keySigner(createPrivateKey(content("KEK.key")), "KEK");
      const update = { name: "dbx", vendor: SECURE_BOOT_KEYS.dbx, data: set.variables.db, timestamp, append: true };
      const certificates = [new X509Certificate(content("KEK.crt"))];
      const { signature } = readAuthenticatedVariable(
        await encodeAuthenticatedVariable(update, { signer, certificates }),
      );
      writeFileSync(path("kek.crt"), content("KEK.crt"));
      writeFileSync(path("content"), authenticatedContent(update));
      writeFileSync(path("signature"), contentInfo(signature));
      const verify = ["cms", "-verify", "-binary", "-inform", "DER", "-in", "signature", "-content", "content"];
      run("openssl", ...verify, "-CAfile", "kek.crt", "-purpose", "any", "-partial_chain", "-out", "verified");
      expect(readFileSync(path("verified")).equals(authenticatedContent(update))).toBe(true);
      writeFileSync(path("content"), authenticatedContent({ ...update, name: "db" }));
      expect(() => run("openssl", ...verify, "-CAfile", "kek.crt", "-purpose", "any", "-partial_chain")).toThrow();
    }
  });
});

/** Wraps signed data as OpenSSL wants it: `SEQUENCE { signedData, [0] }`. @see RFC 5652, section 3 */
function contentInfo(signedData: Buffer): Buffer {
  const long = (tag: number, content: Buffer) =>
    Buffer.concat([Buffer.from([tag, 0x82, content.length >> 8, content.length & 0xff]), content]);
  return long(0x30, Buffer.concat([Buffer.from("06092a864886f70d010702", "hex"), long(0xa0, signedData)]));
}

describe("against virt-fw-vars", () => {
  const root = debianRoot("trixie", ["python3-virt-firmware"]);
  const places = ["OVMF_VARS_4M.fd", "OVMF_VARS_4M.ms.fd", "OVMF_VARS_4M.snakeoil.fd", "OVMF_VARS.ms.fd"];
  const stores = places.map((name) => join("/usr/share/OVMF", name)).filter(existsSync);
  if (process.env["CI"]) expect(stores).toHaveLength(places.length);

  /** What virt-fw-vars sees in a store, without times: those it has are not in its JSON. */
  const seen = (store: string) => {
    root?.run("usr/bin/virt-fw-vars", ["--input", store, "--output-json", path("store.json")]);
    const { variables } = JSON.parse(readFileSync(path("store.json"), "utf8")) as {
      variables: { name: string; guid: string; attr: number; data: string }[];
    };
    return byName(variables.map(({ name, guid, attr, data }) => ({ name, guid, attr, data })));
  };
  const byName = <T extends { name: string }>(variables: T[]) => variables.sort((a, b) => (a.name < b.name ? -1 : 1));
  const ours = (store: Buffer) =>
    byName(
      currentVariables(readVariableStore(bytesSource(store))).map(({ name, vendor, attributes, data }) => ({
        name,
        guid: vendor,
        attr: attributes,
        data: data.toString("hex"),
      })),
    );

  it.for(stores)("reads the same variables in %s", (store, { skip }) => {
    if (!root) return void skip();
    expect(ours(readFileSync(store))).toEqual(seen(store));
  });

  it("has a written store read, with Secure Boot on and the keys in it", ({ skip }) => {
    const [template] = stores;
    if (!root || !template) return void skip();
    const written = writeVariableStore(openFileSource(template), enrolledVariables(keys.variables, timestamp));
    writeFileSync(path("vars.fd"), written);
    expect(written.length).toBe(readFileSync(template).length);
    expect(seen(path("vars.fd"))).toEqual(ours(written));
    const said = root.run("usr/bin/virt-fw-vars", ["--input", path("vars.fd"), "--print", "--verbose"]);
    expect(said).toContain("bool: ON");
    for (const name of ["Test PK", "Test KEK", "Test db"]) expect(said).toContain(name);
  });

  it("enrols the same content for the same certificates, without the digest of nothing that it puts into dbx", ({
    skip,
  }) => {
    const [template] = stores;
    if (!root || !template) return void skip();
    root.run("usr/bin/virt-fw-vars", [
      ...["--input", template, "--output", path("theirs.fd"), "--secure-boot"],
      ...["--set-pk", owner, path("PK.crt"), "--add-kek", owner, path("KEK.crt"), "--add-db", owner, path("db.crt")],
    ]);
    const written = writeVariableStore(openFileSource(template), enrolledVariables(keys.variables, timestamp));
    const theirs = ours(readFileSync(path("theirs.fd")));
    expect(theirs.map(({ name }) => name)).toEqual(["CustomMode", "KEK", "PK", "SecureBootEnable", "db", "dbx"]);
    expect(ours(written)).toEqual(theirs.filter(({ name }) => name !== "dbx"));
  });
});
