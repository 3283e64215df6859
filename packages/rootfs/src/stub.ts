import { CvmError } from "@cvm-build/bytes";
import type { Content } from "@cvm-build/fs-writer";
import type { LockedPackage } from "@cvm-build/resolver";
import { unpack, type UnpackTools } from "./packages/unpack.ts";

/** UEFI's name of the machine in the stub's file name, by Debian's architecture. */
const EFI_ARCHITECTURES: Readonly<Record<string, string>> = { amd64: "x64", arm64: "aa64" };

/** What systemd's package holds, by the beginning of the file's name: the stub of UKIs and that of add-ons. */
export type StubKind = "linux" | "addon";

/** The systemd stub of a package. */
export interface Stub {
  content: Content;
  /** Where it stands in the package. */
  path: string;
  /** The package's version. */
  version: string;
}

/**
 * Takes the systemd stub out of its package.
 * @throws CvmError `package` where the package is damaged or holds no stub
 */
export async function readStub(
  { locked, path }: { locked: LockedPackage; path: string },
  { kind, ...tools }: UnpackTools & { kind: StubKind },
): Promise<Stub> {
  const { name, sizeBytes, sha256, version, architecture } = locked;
  const [payload] = await unpack([{ kind: "deb", name, path, sizeBytes, sha256 }], tools);
  const file = `${kind}${EFI_ARCHITECTURES[architecture] ?? architecture}.efi.stub`;
  const entry = payload?.index.entries.find((candidate) => candidate.path === `/usr/lib/systemd/boot/efi/${file}`);
  if (!payload || entry?.kind !== "file" || entry.sha256 === undefined) {
    throw new CvmError(
      "package",
      `cannot read the stub of "${name}": expected /usr/lib/systemd/boot/efi/${file} in it`,
      {
        hint: "StubPackage= names the package that holds the stub, systemd-boot-efi on Debian",
        details: { package: name, file: path },
      },
    );
  }
  const place = { path: payload.tarPath, offsetBytes: entry.offsetBytes ?? 0 };
  const content = { sizeBytes: entry.sizeBytes ?? 0, sha256: entry.sha256, file: place };
  return { content, path: entry.path, version };
}
