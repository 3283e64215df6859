import { spawnSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { contentOf, type FileTree } from "@cvm-build/fs-writer";
import { describe, expect, it } from "vitest";
import { caCertificatesFinisher } from "../../packages/rootfs/src/ca-certificates/ca-certificates.ts";
import { requirePeers } from "../support/peers.ts";
import { debianFiles } from "../support/trixie-root.ts";
import { bytesAt, forgetfulCache, linksIn, profileOf, readFolder, temporaryFolder } from "./folder-tree.ts";

const files = debianFiles("trixie", ["ca-certificates"], /^ca-certificates$/);
const hasPeers = requirePeers("openssl", "sh");
const SHARED = "/usr/share/ca-certificates";
const LOCAL = "/usr/local/share/ca-certificates";
const CERTIFICATES = "/etc/ssl/certs";

describe.skipIf(!files || !hasPeers)("certificates beside update-ca-certificates", () => {
  it("bundle, links and hashes are the same", async () => {
    using folder = temporaryFolder();
    const tree = readFolder(files!, "/usr");
    addLocal(tree, folder.path);
    const profile = profileOf({});
    await caCertificatesFinisher.finish(tree, { profile, cache: forgetfulCache(folder.path) });
    const theirs = runPeer(tree, folder.path);
    expect(bytesAt(tree, `${CERTIFICATES}/ca-certificates.crt`).equals(theirs.bundle), "the bundle").toBe(true);
    expect(linksIn(tree, CERTIFICATES)).toEqual(theirs.links);
    expect(Object.keys(theirs.links).filter((name) => /^[0-9a-f]{8}\.0$/.test(name)).length).toBeGreaterThan(100);
  });
});

/** Certificates of one subject in every kind of string that names are written in, and odd file names. */
function addLocal(tree: FileTree, scratch: string): void {
  const subjects = {
    "b (odd), name.crt": ["-utf8", "-subj", "/C=DE/O=Müller  &  Söhne /CN=Wurzel\\/1"],
    "a.crt": ["-subj", "/C=DE/O=Plain/CN=same subject"],
    "sub/c.crt": ["-subj", "/C=DE/O=PLAIN/CN=Same  Subject"],
    "d.crt": ["-multivalue-rdn", "-subj", "/CN=two+OU=in one/emailAddress=ca@example.com"],
  };
  for (const [name, args] of Object.entries(subjects)) {
    const out = join(scratch, "certificate");
    const result = spawnSync(
      "openssl",
      [
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-keyout",
        join(scratch, "key"),
        "-days",
        "1",
        "-out",
        out,
        ...args,
      ],
      { encoding: "utf8" },
    );
    if (result.status !== 0) throw new Error(`cannot make ${name}: ${result.stderr}`);
    const path = `${LOCAL}/${name}`;
    const origin = { kind: "extra", name: "test" } as const;
    tree.makeDirectories(path.slice(0, path.lastIndexOf("/")), origin);
    tree.set(path, {
      kind: "file",
      mode: 0o644,
      uid: 0,
      gid: 0,
      mtimeSec: 0,
      origin,
      content: contentOf(readFileSync(out)),
    });
  }
}

function runPeer(tree: FileTree, root: string): { bundle: Buffer; links: Record<string, string> } {
  for (const [path, node] of tree.entries("/usr")) {
    if (node.kind === "directory") mkdirSync(join(root, path), { recursive: true });
    if (node.kind === "file") writeFileSync(join(root, path), bytesAt(tree, path));
  }
  const certificates = join(root, CERTIFICATES);
  mkdirSync(certificates, { recursive: true });
  writeFileSync(join(root, "certs.conf"), bytesAt(tree, "/etc/ca-certificates.conf"));
  const directories = [
    "--certsdir",
    join(root, SHARED),
    "--localcertsdir",
    join(root, LOCAL),
    "--etccertsdir",
    certificates,
  ];
  const result = spawnSync(
    "sh",
    [
      join(files!, "usr/sbin/update-ca-certificates"),
      "--certsconf",
      join(root, "certs.conf"),
      "--hooksdir",
      "",
      ...directories,
    ],
    { encoding: "utf8", env: { PATH: process.env["PATH"], LC_ALL: "C" } },
  );
  if (result.status !== 0) throw new Error(`cannot run update-ca-certificates: ${result.stderr}`);
  const names = readdirSync(certificates).filter((name) => name !== "ca-certificates.crt");
  const links = names.map((name) => [name, readlinkSync(join(certificates, name)).replace(root, "")] as const);
  return { bundle: readFileSync(join(certificates, "ca-certificates.crt")), links: Object.fromEntries(links) };
}
