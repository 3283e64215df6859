import { CvmError } from "@cvm-build/bytes";
import { compareUtf8, contentOf, type FileTree, readContent } from "@cvm-build/fs-writer";
import type { Finisher } from "../finisher.ts";
import { finisherEditor } from "../finishers/editor.ts";
import type { TreeEditor } from "../tree-editor.ts";
import { isHashLinkName, makeHashLinks } from "./hash-links.ts";
import { readPemCertificates } from "./pem.ts";

const CONFIGURATION = "/etc/ca-certificates.conf";
const SHARED_DIRECTORY = "/usr/share/ca-certificates";
const LOCAL_DIRECTORY = "/usr/local/share/ca-certificates";
const CERTIFICATES_DIRECTORY = "/etc/ssl/certs";
const BUNDLE = "ca-certificates.crt";

const CONFIGURATION_HEADER = `# Certificates of /usr/share/ca-certificates to trust, one a line; ! in front of a name distrusts it.
# Written by cvm-build: all that were installed. An own list in an extra tree takes its place.
`;

/** Writes the bundle of trusted certificates and the links to them, as `update-ca-certificates` does. */
export const caCertificatesFinisher: Finisher = {
  name: "ca-certificates",
  replaces: ["update-ca-certificates", "openssl rehash"],
  finish(tree, context) {
    const editor = finisherEditor(tree, "ca-certificates", context);
    const shared = listCertificates(tree, SHARED_DIRECTORY);
    const local = listCertificates(tree, LOCAL_DIRECTORY);
    if (shared.length + local.length === 0) return editor.effect("no certificates in the tree");
    if (!tree.follow(CONFIGURATION)) writeConfiguration(shared, editor);
    const trusted = [...trustedNames(tree).map((name) => `${SHARED_DIRECTORY}/${name}`), ...local];
    const texts = trusted.map((path) => readCertificateFile(tree, path));
    const bundle = texts.map((text) => (text.endsWith("\n") ? text : `${text}\n`)).join("");
    editor.writeFile(`${CERTIFICATES_DIRECTORY}/${BUNDLE}`, contentOf(Buffer.from(bundle, "latin1")));
    writeLinks(tree, trusted, editor);
    return editor.effect(`${trusted.length} certificates`);
  },
};

/** Paths of `*.crt` below `directory`, links followed, in byte order. */
function listCertificates(tree: FileTree, directory: string): string[] {
  const walk = (path: string, depth: number): string[] => {
    const resolved = tree.resolve(path);
    const node = resolved === undefined ? undefined : tree.get(resolved);
    if (resolved === undefined || !node) return [];
    if (node.kind === "file") return path.endsWith(".crt") ? [path] : [];
    // A link to a parent would go round for ever; `find -L` stops there too.
    if (node.kind !== "directory" || depth > 16) return [];
    return tree.list(resolved).flatMap((name) => walk(`${path}/${name}`, depth + 1));
  };
  return walk(directory, 0).sort(compareUtf8);
}

function writeConfiguration(shared: readonly string[], editor: TreeEditor): void {
  const names = shared.map((path) => `${path.slice(SHARED_DIRECTORY.length + 1)}\n`);
  editor.writeFile(CONFIGURATION, CONFIGURATION_HEADER + names.join(""));
}

/** The names that the configuration trusts, in its order. */
function trustedNames(tree: FileTree): string[] {
  const node = tree.follow(CONFIGURATION);
  if (node?.kind !== "file") return [];
  const lines = readContent(node.content)
    .toString("utf8")
    .split("\n")
    .map((line) => line.trim());
  return lines.filter((line) => line !== "" && !/^[#!]/.test(line));
}

function readCertificateFile(tree: FileTree, path: string): string {
  const node = tree.follow(path);
  if (node?.kind !== "file") {
    throw new CvmError("ca-certificates", `cannot trust "${path}": expected a certificate, got no file`, {
      hint: `take it out of ${CONFIGURATION}, or put ! in front of it`,
    });
  }
  const text = readContent(node.content).toString("latin1");
  if (readPemCertificates(text).length > 0) return text;
  throw new CvmError("ca-certificates", `cannot trust "${path}": expected a PEM certificate, got other text`, {
    hint: "convert it with `openssl x509 -inform der -in FILE`",
  });
}

/** `<name>.pem` for every certificate, then OpenSSL's links by subject. */
function writeLinks(tree: FileTree, trusted: readonly string[], editor: TreeEditor): void {
  for (const path of trusted) editor.writeSymlink(`${CERTIFICATES_DIRECTORY}/${pemName(path)}`, path);
  const directory = tree.resolve(CERTIFICATES_DIRECTORY);
  if (directory === undefined) return;
  for (const name of tree.list(directory)) if (isHashLinkName(name)) editor.remove(`${directory}/${name}`);
  for (const [link, name] of makeHashLinks(tree, directory, { bundle: BUNDLE })) {
    editor.writeSymlink(`${directory}/${link}`, name);
  }
}

function pemName(path: string): string {
  const base = path.slice(path.lastIndexOf("/") + 1).replace(/\.crt$/, "");
  return `${base.replace(/[ ,]/g, "_").replace(/[()]/g, "=")}.pem`;
}
