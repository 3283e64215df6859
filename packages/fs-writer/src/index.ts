export { contentOf, readContent } from "./content.ts";
export { type DerivedCache, type DerivedObject } from "./derived-cache.ts";
export { compareUtf8, FileTree, parentOf } from "./file-tree.ts";
export {
  type Attributes,
  type Content,
  type DeviceNode,
  type DirectoryNode,
  type FifoNode,
  type FileNode,
  type Origin,
  type SymlinkNode,
  type TreeNode,
} from "./tree.ts";
