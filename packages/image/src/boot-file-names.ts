/** Names of what a kernel is started with. */
export interface BootFileNames {
  kernel: string;
  initrd: string;
  cmdline: string;
}

/** What the files of an image are called. */
export function bootFileNames(imageId: string): BootFileNames {
  return { kernel: `${imageId}.vmlinuz`, initrd: `${imageId}.initrd`, cmdline: `${imageId}.cmdline` };
}
