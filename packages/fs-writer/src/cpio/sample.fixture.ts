import { contentOf } from "../content.ts";
import { FileTree } from "../file-tree.ts";
import type { FileNode, Origin, TreeNode } from "../tree.ts";

export const CLAMP_SEC = 1_757_635_200;

/** One of everything that a package or a profile puts into an initramfs. */
export function sampleEntries(): [path: string, node: TreeNode][] {
  const base: Origin = { kind: "package", name: "base-files" };
  const perl: Origin = { kind: "package", name: "perl-base" };
  const extra: Origin = { kind: "extra", name: "cvm.extra" };
  const attributes = { uid: 0, gid: 0, mtimeSec: 1_700_000_000, origin: base };
  const directory = (mode = 0o755): TreeNode => ({ ...attributes, kind: "directory", mode });
  const file = (text: string, rest: Partial<FileNode> = {}): FileNode => ({
    ...attributes,
    kind: "file",
    mode: 0o644,
    content: contentOf(text),
    ...rest,
  });
  const linked = file("perl itself", { mode: 0o755, origin: perl });
  return [
    ["/dev", directory()],
    ["/etc", directory()],
    ["/tmp", directory(0o1777)],
    ["/usr", directory()],
    ["/usr/bin", directory()],
    ["/usr/share", directory()],
    ["/bin", { ...attributes, kind: "symlink", mode: 0o777, target: "usr/bin" }],
    ["/dev/console", { ...attributes, kind: "char", mode: 0o600, major: 5, minor: 1 }],
    ["/dev/initctl", { ...attributes, kind: "fifo", mode: 0o600 }],
    ["/dev/vda", { ...attributes, kind: "block", mode: 0o660, gid: 6, major: 254, minor: 0 }],
    ["/etc/empty", file("", { origin: extra })],
    ["/etc/hostname", file("reth-node\n", { mtimeSec: 1_900_000_000, origin: extra })],
    ["/etc/shadow", file("root:!::\n", { mode: 0o640, gid: 42, mtimeSec: -5 })],
    ["/usr/bin/perl", linked],
    ["/usr/bin/perl5.40", linked],
    ["/usr/bin/ping", file("ping", { mode: 0o755, xattrs: new Map([["security.capability", Buffer.of(1)]]) })],
    ["/usr/share/NetLock_Főtanúsítvány.crt", file("certificate\n")],
  ];
}

/** The sample as a tree, filled in the order given. Parents come first whatever the order. */
export function sampleTree(entries = sampleEntries()): FileTree {
  const origin: Origin = { kind: "package", name: "base-files" };
  const tree = new FileTree({ mode: 0o755, uid: 0, gid: 0, mtimeSec: 1_700_000_000, origin });
  const depth = (path: string): number => path.split("/").length;
  for (const [path, node] of [...entries].sort(([a], [b]) => depth(a) - depth(b))) tree.set(path, node);
  return tree;
}
