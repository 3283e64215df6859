import { digest, FormatError } from "@cvm-build/bytes";
import { type FileTree, readContent } from "@cvm-build/fs-writer";
import { readPemCertificates } from "./pem.ts";
import { subjectHash } from "./subject-hash.ts";

/** OpenSSL tries `<hash>.0` to `<hash>.255`. */
const MAX_COLLISIONS = 256;

/** Says whether `name` is that of a link which `openssl rehash` makes. */
export function isHashLinkName(name: string): boolean {
  return /^[0-9a-f]{8}\.\d+$/.test(name);
}

/**
 * The links that `openssl rehash` makes in a directory: for each file with exactly one certificate.
 * @param directory resolved path; `bundle` is the name of a file in it that is not looked at
 * @returns link name to file name, in the order of the files' names
 * @throws FormatError where a certificate is damaged
 */
export function makeHashLinks(tree: FileTree, directory: string, { bundle }: { bundle: string }): Map<string, string> {
  const links = new Map<string, string>();
  const seen = new Map<string, Set<string>>();
  for (const name of tree.list(directory)) {
    if (!/\.(?:pem|crt|cer)$/.test(name) || name === bundle) continue;
    const path = `${directory}/${name}`;
    const certificate = onlyCertificate(tree, path);
    if (!certificate) continue;
    const hash = hashOf(path, certificate);
    const digests = seen.get(hash) ?? new Set();
    seen.set(hash, digests);
    const fingerprint = digest("sha1", certificate).toString("hex");
    if (digests.has(fingerprint)) continue;
    if (digests.size >= MAX_COLLISIONS)
      throw new FormatError({ record: path }, `expected at most ${MAX_COLLISIONS} subjects of one hash`);
    links.set(`${hash}.${digests.size}`, name);
    digests.add(fingerprint);
  }
  return links;
}

function onlyCertificate(tree: FileTree, path: string): Buffer | undefined {
  const node = tree.follow(path);
  if (node?.kind !== "file") return undefined;
  const certificates = readPemCertificates(readContent(node.content).toString("latin1"));
  return certificates.length === 1 ? certificates[0] : undefined;
}

function hashOf(path: string, certificate: Buffer): string {
  try {
    return subjectHash(certificate);
  } catch (cause) {
    if (!(cause instanceof FormatError)) throw cause;
    throw new FormatError({ record: path }, cause.message, { cause, hint: "is it a PEM certificate?" });
  }
}
