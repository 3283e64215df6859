/**
 * What `WithDocs=no` leaves out: the directories of mkosi's list, whole. Nothing below them is kept, not even
 * `copyright` files: the manifest names every package, version and source, which is where its licence is found.
 */
export const DOCUMENTATION_DIRECTORIES = [
  "/usr/share/doc",
  "/usr/share/doc-base",
  "/usr/share/groff",
  "/usr/share/gtk-doc",
  "/usr/share/info",
  "/usr/share/man",
] as const;

/** Says whether `path` is, or lies below, a documentation directory. */
export function isDocumentation(path: string): boolean {
  return DOCUMENTATION_DIRECTORIES.some((directory) => path === directory || path.startsWith(`${directory}/`));
}
