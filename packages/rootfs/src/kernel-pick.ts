import { CvmError } from "@cvm-build/bytes";
import type { Content, FileTree } from "@cvm-build/fs-writer";

/** The kernel that an image's packages bring. */
export interface PickedKernel {
  /** As `uname -r` says it: 6.12.117+deb13-cloud-amd64. */
  release: string;
  image: Content;
  /** The configuration it was built with, where the package has it. */
  config?: Content;
  /** Who brought it. */
  package: string;
}

const IMAGE_PREFIX = "vmlinuz-";

/**
 * Takes the kernel image from /boot.
 * @returns undefined where there is none
 * @throws CvmError `kernel` where there are several
 */
export function pickKernel(tree: FileTree): PickedKernel | undefined {
  const kernels = tree.list("/boot").filter((name) => name.startsWith(IMAGE_PREFIX));
  const images = kernels.flatMap((name) => {
    const node = tree.get(`/boot/${name}`);
    return node?.kind === "file" ? [{ name, node }] : [];
  });
  if (images.length > 1) {
    const found = images.map(({ name, node }) => `${name} of ${node.origin.name}`).join(", ");
    throw new CvmError("kernel", `cannot pick the kernel: expected one image in /boot, got ${found}`, {
      hint: "Packages= should name one kernel; RemovePackages= leaves another out",
      details: { found: images.map(({ name }) => `/boot/${name}`) },
    });
  }
  const [image] = images;
  if (!image) return undefined;
  const release = image.name.slice(IMAGE_PREFIX.length);
  const config = tree.follow(`/boot/config-${release}`);
  return {
    release,
    image: image.node.content,
    ...(config?.kind === "file" ? { config: config.content } : {}),
    package: image.node.origin.name,
  };
}
