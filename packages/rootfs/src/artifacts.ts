import { statSync } from "node:fs";
import { CvmError, openFileSource } from "@cvm-build/bytes";
import { type Content, detectCompression, type FileTree, type Origin, type TreeNode } from "@cvm-build/fs-writer";
import type { ArtifactDeclaration, Profile } from "@cvm-build/profile";
import type { LockedArtifact } from "@cvm-build/resolver";
import { landingPath } from "./packages/landing-path.ts";
import type { Payload } from "./packages/payload.ts";
import type { ArchiveSource } from "./packages/unpack.ts";
import { payloadNodes } from "./payload-nodes.ts";

/** An artefact whose bytes are at hand. */
export interface FetchedArtifact {
  locked: LockedArtifact;
  path: string;
}

const TAR_MAGIC_OFFSET_BYTES = 257;

/**
 * What the profile says of a locked artefact.
 * @throws CvmError `artifact` where it says nothing: the lock is of another profile
 */
export function declarationOf(profile: Profile, { locked }: FetchedArtifact): ArtifactDeclaration {
  const declaration = profile.artifacts.find(({ name }) => name === locked.name);
  if (declaration) return declaration;
  throw new CvmError("artifact", `cannot place artifact "${locked.name}": expected the profile to declare it`, {
    hint: "the lock belongs to another profile: run cvm-build lock",
    details: { artifact: locked.name },
  });
}

/** The archive that must be unpacked before the artefact's files can be placed, or undefined where it is a plain file. */
export function artifactArchive(
  { locked, path }: FetchedArtifact,
  declaration: ArtifactDeclaration,
): ArchiveSource | undefined {
  const common = { name: locked.name, path, sizeBytes: statSync(path).size, sha256: locked.sha256 };
  if (declaration.source.kind === "deb") return { kind: "deb", ...common };
  const isArchive = declaration.files.some(({ from }) => from !== undefined);
  if (isArchive && !looksLikeTar(path)) {
    throw new CvmError(
      "artifact",
      `cannot unpack artifact "${locked.name}": expected a tar archive, got another kind of file`,
      {
        hint: 'leave "from" out where the artefact itself is the file',
        details: { artifact: locked.name, file: path },
      },
    );
  }
  return isArchive ? { kind: "tar", ...common } : undefined;
}

/** Places an artefact's files: whole, or those that the declaration picks from its archive. */
export function addArtifact(
  tree: FileTree,
  {
    artifact,
    declaration,
    payload,
  }: { artifact: FetchedArtifact; declaration: ArtifactDeclaration; payload: Payload | undefined },
  { mtimeSec }: { mtimeSec: number },
): void {
  const { locked, path } = artifact;
  const origin: Origin = { kind: "artifact", name: locked.name };
  const nodes = payload ? new Map(payloadNodes(payload, origin)) : undefined;
  for (const { from, to, mode } of declaration.files) {
    const content: Content =
      from === undefined
        ? { sizeBytes: statSync(path).size, sha256: locked.sha256, file: { path, offsetBytes: 0 } }
        : pick(nodes ?? new Map(), { from, declaration });
    const target = landingPath(tree, to, locked.name);
    tree.makeDirectories(target.slice(0, target.lastIndexOf("/")) || "/", origin);
    tree.set(target, { kind: "file", mode, uid: 0, gid: 0, mtimeSec, origin, content });
  }
}

/** A regular file of an archive. npm packs everything below `package/`, which need not be written. */
function pick(
  nodes: ReadonlyMap<string, TreeNode>,
  { from, declaration }: { from: string; declaration: ArtifactDeclaration },
): Content {
  const path = `/${from.replace(/^(\.?\/)+/, "")}`;
  const candidates = declaration.source.kind === "npm" ? [path, `/package${path}`] : [path];
  const node = candidates.map((candidate) => nodes.get(candidate)).find((found) => found?.kind === "file");
  if (node?.kind === "file") return node.content;
  const name = path.slice(path.lastIndexOf("/") + 1);
  const near = [...nodes.keys()].filter((candidate) => candidate.endsWith(`/${name}`)).slice(0, 5);
  throw new CvmError(
    "artifact",
    `cannot pick "${from}" from artifact "${declaration.name}": expected a file of the archive`,
    {
      hint: near.length > 0 ? `did you mean ${near.join(", ")}?` : "list the archive to see what it holds",
      details: { artifact: declaration.name, from },
    },
  );
}

function looksLikeTar(path: string): boolean {
  using source = openFileSource(path);
  const start = source.read(0, Math.min(512, source.sizeBytes));
  if (detectCompression(start) !== "none") return true;
  return start.toString("latin1", TAR_MAGIC_OFFSET_BYTES, TAR_MAGIC_OFFSET_BYTES + 5) === "ustar";
}
