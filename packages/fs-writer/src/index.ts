export { type DerivedCache, type DerivedObject } from "./derived-cache.ts";
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
