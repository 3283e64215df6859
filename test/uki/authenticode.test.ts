import { execFile, execFileSync } from "node:child_process";
import { X509Certificate } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { bytesSource, openFileSource } from "@cvm-build/bytes";
import {
  assembleUki,
  attachSignature,
  authenticodeDigests,
  currentVariables,
  readCertificateTable,
  readPe,
  readSignatureLists,
  readVariableStore,
  removeSignatures,
  signDetached,
  signPe,
  verifyDetached,
  verifyPe,
} from "@cvm-build/uki";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { requirePeers } from "../support/peers.ts";
import { debianFiles } from "../support/trixie-root.ts";
import { debianKernel, debianStub } from "../support/uki-parts.ts";
import { type KeyName, KEYS, type MadeKey, OpensslAuthority, run, SigningFolder, succeeds } from "./signing-peers.ts";

const hasPeers = requirePeers(
  "sbsign",
  "sbverify",
  "sbattach",
  "osslsigncode",
  "pesign",
  "certutil",
  "pk12util",
  "openssl",
);
const stub = debianStub("trixie");
const kernel = debianKernel();
const keyNames = Object.keys(KEYS) as KeyName[];

describe.skipIf(!hasPeers || !stub || !kernel)("Authenticode beside sbsigntool, osslsigncode and pesign", () => {
  let folder: SigningFolder;
  let root: MadeKey;
  let leaf: MadeKey;
  let uki: string;

  beforeAll(() => {
    folder = new SigningFolder();
    root = folder.makeKey("root", { key: "RSA-2048" });
    leaf = folder.makeKey("leaf", { key: "RSA-2048", issuer: root });
    uki = folder.file("uki.efi");
    const text = (content: string) => [bytesSource(Buffer.from(content))];
    assembleUki({
      stub: openFileSource(stub ?? ""),
      sections: [
        { name: ".osrel", content: text("ID=test\n") },
        { name: ".cmdline", content: text("console=ttyS0") },
        { name: ".linux", content: [openFileSource(kernel?.path ?? "")] },
        { name: ".initrd", content: text("not really an initrd") },
      ],
      output: uki,
    });
  });
  afterAll(() => folder[Symbol.dispose]());

  const certificates = () => [leaf.certificate, root.certificate];
  const verdict = (path: string, by: MadeKey) => {
    using source = openFileSource(path);
    return verifyPe(source, { trusted: [by.certificate] });
  };
  const bySbverify = (path: string, by: MadeKey) => succeeds("sbverify", ["--cert", by.certificatePath, path]);
  const byOsslsigncode = (path: string, by: MadeKey) =>
    succeeds("osslsigncode", ["verify", "-CAfile", by.certificatePath, "-in", path]);

  it.each(keyNames)("signs with %s what they accept, and refuse with one byte changed", async (key) => {
    const authority = folder.makeKey(`root ${key}`, { key });
    const own = folder.makeKey(`leaf ${key}`, { key, issuer: authority });
    const output = folder.file("ours.efi");
    // sbverify knows no digest but SHA-256.
    for (const hash of ["sha256", "sha384", "sha512"] as const) {
      const chain = [own.certificate, authority.certificate];
      const { digest } = await signPe({ image: uki, output, signer: own.signer, certificates: chain, hash });
      if (hash === "sha256") {
        expect(bySbverify(output, authority)).toBe(true);
        expect(bySbverify(output, root)).toBe(false);
        expect(run("pesign", ["-h", "-i", output])).toContain(digest);
      }
      expect(byOsslsigncode(output, authority)).toBe(true);
      expect(byOsslsigncode(output, root)).toBe(false);
      expect(run("pesign", ["-S", "-i", output])).toContain(`common name is leaf ${key}`);
      expect(verdict(output, authority).isTrusted).toBe(true);
      expect(verdict(output, own).isTrusted).toBe(true);
      expect(verdict(output, root).isTrusted).toBe(false);
    }
    const flipped = readFileSync(output);
    flipped.writeUInt8(flipped.readUInt8(flipped.length >> 1) ^ 1, flipped.length >> 1);
    const path = folder.file("flipped.efi", flipped);
    expect(byOsslsigncode(path, authority)).toBe(false);
    expect(verdict(path, authority)).toMatchObject({ isTrusted: false, signatures: [{ isTrusted: false }] });
  });

  it("writes the checksum that osslsigncode computes, and the digest that all do", async () => {
    const output = folder.file("checked.efi");
    const { digest } = await signPe({ image: uki, output, signer: leaf.signer, certificates: certificates() });
    const said = run("osslsigncode", ["verify", "-CAfile", root.certificatePath, "-in", output]);
    expect(said.toLowerCase()).toContain(digest);
    const { optional } = readPe(bytesSource(readFileSync(output)));
    expect(Number.parseInt(/PE checksum *: *(\w+)/.exec(said)?.[1] ?? "", 16)).toBe(optional.checkSum);
    const wrong = readFileSync(output);
    wrong.writeUInt32LE(optional.checkSum + 1, readPe(bytesSource(wrong)).optionalOffset + 0x40);
    const path = folder.file("wrong.efi", wrong);
    expect(run("osslsigncode", ["verify", "-CAfile", root.certificatePath, "-in", path])).toContain(
      `Calculated PE checksum: ${optional.checkSum.toString(16).padStart(8, "0").toUpperCase()}`,
    );
  });

  it("signs the very content that sbsign signs", async () => {
    const theirs = folder.file("content-theirs.p7");
    run("sbsign", [...["--key", leaf.keyPath, "--cert", leaf.certificatePath], "--detached", "--output", theirs, uki]);
    using source = openFileSource(uki);
    const ours = await signDetached(source, { signer: leaf.signer, certificates: certificates() });
    // SpcIndirectDataContent, which stands at one place as long as nothing before it differs in size.
    const contentOf = (signature: Buffer) => signature.subarray(43, 43 + 122).toString("hex");
    expect(contentOf(ours)).toBe(contentOf(readFileSync(theirs)));
  });

  it.each(["sbsign", "osslsigncode", "pesign"])(
    "accepts what %s signed, and refuses it with one byte changed",
    (peer) => {
      const output = folder.file(`${peer}.efi`);
      signWith(peer, uki, output);
      const { isTrusted, signatures } = verdict(output, root);
      expect(signatures).toHaveLength(1);
      expect(signatures[0]?.problem).toBeUndefined();
      expect(isTrusted).toBe(true);
      for (const at of [0x48, 0x1000, readFileSync(uki).length - 1]) {
        const flipped = readFileSync(output);
        flipped.writeUInt8(flipped.readUInt8(at) ^ 1, at);
        const problem = verifyPe(bytesSource(flipped), { trusted: [root.certificate] }).signatures[0]?.problem;
        expect(problem).toMatch(/^expected image digest/);
      }
    },
  );

  function signWith(peer: string, image: string, output: string): void {
    const key = ["--key", leaf.keyPath, "--cert", leaf.certificatePath];
    if (peer === "sbsign") run("sbsign", [...key, "--addcert", root.certificatePath, "--output", output, image]);
    else if (peer === "osslsigncode") {
      const signer = ["-key", leaf.keyPath, "-certs", leaf.certificatePath, "-h", "sha384"];
      run("osslsigncode", ["sign", ...signer, "-in", image, "-out", output]);
    } else {
      const [database, pkcs12] = [folder.file("nss"), folder.file("leaf.p12")];
      const given = ["-inkey", leaf.keyPath, "-in", leaf.certificatePath, "-certfile", root.certificatePath];
      run("openssl", ["pkcs12", "-export", ...given, "-name", "leaf", "-out", pkcs12, "-passout", "pass:"]);
      run("mkdir", [database]);
      run("certutil", ["-N", "-d", database, "--empty-password"]);
      run("pk12util", ["-i", pkcs12, "-d", database, "-W", ""]);
      run("pesign", ["-s", "-n", database, "-c", "leaf", "-i", image, "-o", output]);
    }
  }

  it("keeps others' signatures beside its own, and they keep ours", async () => {
    const other = folder.makeKey("other", { key: "P-256" });
    const [theirsFirst, both] = [folder.file("theirs-first.efi"), folder.file("both.efi")];
    signWith("sbsign", uki, theirsFirst);
    const request = { signer: other.signer, certificates: [other.certificate] };
    expect(await signPe({ image: theirsFirst, output: both, ...request })).toMatchObject({ signatures: 2 });
    const oursFirst = folder.file("ours-first.efi");
    await signPe({ image: uki, output: oursFirst, ...request });
    const theirsSecond = folder.file("theirs-second.efi");
    signWith("sbsign", oursFirst, theirsSecond);
    for (const path of [both, theirsSecond]) {
      for (const by of [root, other]) {
        expect(verdict(path, by).signatures.map(({ problem }) => problem)).toEqual([undefined, undefined]);
        expect(verdict(path, by).isTrusted).toBe(true);
        expect(bySbverify(path, by)).toBe(true);
      }
      expect(run("pesign", ["-S", "-i", path]).match(/common name is/g)).toHaveLength(2);
      // osslsigncode knows but one entry in the table; others of Authenticode it looks for within that.
      expect(byOsslsigncode(path, root)).toBe(false);
    }
  });

  it("exchanges detached signatures with sbsigntool", async () => {
    const theirs = folder.file("theirs.p7");
    run("sbsign", [
      ...["--key", leaf.keyPath, "--cert", leaf.certificatePath, "--addcert", root.certificatePath],
      ...["--detached", "--output", theirs, uki],
    ]);
    using source = openFileSource(uki);
    expect(verifyDetached(source, readFileSync(theirs), { trusted: [root.certificate] }).isTrusted).toBe(true);
    const signature = await signDetached(source, { signer: leaf.signer, certificates: certificates() });
    const ours = folder.file("ours.p7", signature);
    expect(succeeds("sbverify", ["--cert", root.certificatePath, "--detached", ours, uki])).toBe(true);
    const [attached, signed] = [folder.file("attached.efi"), folder.file("signed.efi")];
    await attachSignature({ image: uki, output: attached, signature });
    await signPe({ image: uki, output: signed, signer: leaf.signer, certificates: certificates() });
    expect(readFileSync(attached).equals(readFileSync(signed))).toBe(true);
    const bySbattach = folder.file("by-sbattach.efi", readFileSync(uki));
    run("sbattach", ["--attach", ours, bySbattach]);
    expect(verdict(bySbattach, root).isTrusted).toBe(true);
    const [unsigned, theirUnsigned] = [folder.file("unsigned.efi"), folder.file("their-unsigned.efi")];
    await removeSignatures({ image: signed, output: unsigned });
    await promisify(execFile)("cp", [signed, theirUnsigned]);
    run("sbattach", ["--remove", theirUnsigned]);
    expect(readFileSync(unsigned).equals(readFileSync(theirUnsigned))).toBe(true);
  });

  it("has signatures stamped by openssl ts as osslsigncode reads, and reads what osslsigncode has stamped", async () => {
    const authority = new OpensslAuthority(folder, root);
    const timestamp = { request: (query: Buffer) => authority.request(query), nonce: Buffer.from("f00d", "hex") };
    const trust = { trusted: [root.certificate], timestampTrusted: [root.certificate] };
    const ours = folder.file("stamped.efi");
    await signPe({ image: uki, output: ours, signer: leaf.signer, certificates: certificates(), timestamp });
    const trusted = ["-CAfile", root.certificatePath, "-TSA-CAfile", root.certificatePath];
    expect(run("osslsigncode", ["verify", ...trusted, "-in", ours])).toMatch(/Timestamp.*ok|authority of time/i);
    const theirs = folder.file("stamped-theirs.efi");
    await authority.serve(async (address) => {
      const signer = ["-key", leaf.keyPath, "-certs", leaf.certificatePath, "-h", "sha256", "-ts", address];
      await promisify(execFile)("osslsigncode", ["sign", ...signer, "-in", uki, "-out", theirs]);
    });
    for (const path of [ours, theirs]) {
      using source = openFileSource(path);
      const [signature] = verifyPe(source, trust).signatures;
      expect(signature?.isTrusted).toBe(true);
      expect(signature?.timestamp?.problem).toBeUndefined();
      expect(signature?.timestamp?.time).toMatch(/^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
      expect(signature?.timestamp?.chain?.map(({ subject }) => subject)).toEqual(["CN=authority of time", "CN=root"]);
    }
  });
});

it("signs and verifies an image that is larger than the memory it takes", () => {
  using folder = new SigningFolder();
  const script = join(import.meta.dirname, "sign-large-image.ts");
  const { isTrusted, peakBytes, sizeBytes } = JSON.parse(
    execFileSync(process.execPath, [script, folder.path, "300"], { encoding: "utf8" }),
  ) as Record<string, number>;
  expect(isTrusted).toBe(true);
  expect(sizeBytes).toBeGreaterThan(300 << 20);
  expect(peakBytes).toBeLessThan(200 << 20);
});

describe("Authenticode of others", () => {
  const vectors = join(import.meta.dirname, "../../../shared/vectors/authenticode");

  it.skipIf(!existsSync(vectors))(
    "verifies images that go-uefi's authors signed with a certificate of their own",
    () => {
      for (const name of ["HelloWorld.efi.signed", "test.pecoff.signed"]) {
        const image = bytesSource(readFileSync(join(vectors, name)));
        const [signature] = verifyPe(image, { trusted: [] }).signatures;
        expect(signature).toMatchObject({ key: "RSA-4096", hash: "sha256", isTrusted: false });
        const own = signature?.certificate;
        expect(own && verifyPe(image, { trusted: [own] }).isTrusted).toBe(true);
      }
    },
  );

  it.skipIf(!kernel)("finds Debian's kernel signed, by the digest that its signature has", () => {
    using source = openFileSource(kernel?.path ?? "");
    const { signatures } = verifyPe(source, { trusted: [] });
    expect(signatures).toHaveLength(1);
    expect(signatures[0]?.problem).toBeUndefined();
    expect(signatures[0]?.certificate?.subject).toContain("Debian Secure Boot Signer");
    expect(authenticodeDigests(source, ["sha256"]).sha256).toBe(signatures[0]?.digest);
  });

  const shim = debianFiles("trixie", ["shim-signed"], /^shim-signed$/);
  const microsoft = "/usr/share/OVMF/OVMF_VARS_4M.ms.fd";
  it.skipIf(!shim || !existsSync(microsoft))("trusts Debian's shim by the db that Microsoft's keys are in", () => {
    const name = join(shim ?? "", "usr/lib/shim/shimx64.efi.signed");
    using source = openFileSource(name);
    const variables = currentVariables(readVariableStore(bytesSource(readFileSync(microsoft))));
    const db = variables.find((variable) => variable.name === "db");
    const trusted = readSignatureLists(db?.data ?? Buffer.alloc(0))
      .flatMap(({ signatures }) => signatures)
      .flatMap(({ data }) => (data[0] === 0x30 ? [new X509Certificate(data)] : []));
    expect(trusted.length).toBeGreaterThan(1);
    const { isTrusted, signatures } = verifyPe(source, { trusted });
    expect(isTrusted).toBe(true);
    expect(signatures[0]?.chain?.at(-1)?.subject).toContain("Microsoft Corporation UEFI CA 2011");
    expect(readCertificateTable(source).length).toBe(signatures.length);
  });
});
