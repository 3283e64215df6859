import { execFileSync } from "node:child_process";
import { createPrivateKey, createPublicKey, sign, verify } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { bytesSource, HASH_ALGORITHMS, openFileSource } from "@cvm-build/bytes";
import { BOOT_PHASES, phasePaths, predictUkiPhases, signPcrPolicies } from "@cvm-build/measure";
import { assembleUki, readUki, type Signer } from "@cvm-build/uki";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { makeKernel } from "../../packages/uki/src/pe/pe.fixture.ts";
import { requirePeers } from "../support/peers.ts";
import { type DebianRoot, debianRoot } from "../support/trixie-root.ts";
import { debianStub } from "../support/uki-parts.ts";

type Signatures = Record<string, { pcrs: number[]; pkfp: string; pol: string; sig: string }[]>;

/** What systemd-measure loads to sign with. */
const TPM_LIBRARIES = ["libtss2-esys-3.0.2-0t64", "libtss2-mu-4.0.1-0t64", "libtss2-rc0t64"];
const PATHS = phasePaths(BOOT_PHASES).slice(1);

const havePeers = requirePeers("openssl");

describe("PCR policies against systemd-measure 257", () => {
  let folder: string;
  let root: DebianRoot | undefined;
  let stub: string | undefined;

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "cvm-pcr-policy-"));
    root = debianRoot("trixie", ["systemd-ukify", "systemd", ...TPM_LIBRARIES]);
    stub = debianStub("trixie");
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  it.for([2048, 3072])("signs with %i bits what systemd-measure signs", async (bits, { skip }) => {
    if (!root || !stub || !havePeers) return void skip();
    const privatePath = join(folder, `${bits}.pem`);
    const publicPath = join(folder, `${bits}.pub`);
    execFileSync("openssl", ["genrsa", "-out", privatePath, String(bits)], { stdio: "ignore" });
    execFileSync("openssl", ["rsa", "-in", privatePath, "-pubout", "-out", publicPath], { stdio: "ignore" });
    const image = join(folder, "image.efi");
    const sections = [
      { name: ".linux" as const, content: [bytesSource(makeKernel("6.12"))] },
      { name: ".cmdline" as const, content: [bytesSource(Buffer.from("quiet"))] },
      { name: ".pcrpkey" as const, content: [openFileSource(publicPath)] },
    ];
    assembleUki({ stub: openFileSource(stub), sections, output: image });

    using source = openFileSource(image);
    const phases = await predictUkiPhases(source, {
      banks: HASH_ALGORITHMS,
      phases: [...BOOT_PHASES],
    });
    const key = createPrivateKey(readFileSync(privatePath));
    const signers = [fileSigner(key)];
    const ours = await signPcrPolicies({ sha256: phases.sha256 ?? {} }, { signers, phasePaths: PATHS });
    const files = [...readUki(source).base].map(([name, { content }]) => {
      const path = join(folder, name.slice(1));
      writeFileSync(path, content.read(0, content.sizeBytes));
      return `--${name.slice(1)}=${path}`;
    });
    const keys = [`--private-key=${privatePath}`, `--public-key=${publicPath}`];
    const theirs = root.run("usr/lib/systemd/systemd-measure", ["sign", ...files, ...keys, "--bank=sha256"]);
    expect(ours).toBe(theirs);

    // 257 signs policies of other banks with the bank's own hash, which nobody verifies with; the policies are the same.
    const all = JSON.parse(await signPcrPolicies(phases, { signers, phasePaths: PATHS })) as Signatures;
    const banks = HASH_ALGORITHMS.map((bank) => `--bank=${bank}`);
    const allTheirs = JSON.parse(
      root.run("usr/lib/systemd/systemd-measure", ["sign", ...files, ...keys, ...banks]),
    ) as Signatures;
    expect(withoutSignatures(all)).toEqual(withoutSignatures(allTheirs));
    const signed = Object.values(all).flat();
    expect(signed).toHaveLength(HASH_ALGORITHMS.length * PATHS.length);
    for (const { pol, sig } of signed) {
      const isValid = verify("sha256", Buffer.from(pol, "hex"), createPublicKey(key), Buffer.from(sig, "base64"));
      expect(isValid).toBe(true);
    }
  });
});

function withoutSignatures(signatures: Signatures): unknown {
  return Object.fromEntries(
    Object.entries(signatures).map(([bank, list]) => [bank, list.map(({ pcrs, pkfp, pol }) => ({ pcrs, pkfp, pol }))]),
  );
}

function fileSigner(key: ReturnType<typeof createPrivateKey>): Signer {
  return {
    publicKey: createPublicKey(key),
    sign: async (message, hash) => sign(hash, message, key),
    [Symbol.asyncDispose]: async () => {},
  };
}
