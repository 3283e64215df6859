import { CvmError } from "@cvm-build/bytes";
import type { Finisher } from "../finisher.ts";
import { finisherEditor } from "../finishers/editor.ts";
import { formatHeaderCheck } from "./header-check.ts";
import { HEADER_CHECK_PATH, RUNTIME_KEY_DIRECTORY, STORAGE_PATH, STORAGE_SCRIPT } from "./storage-script.ts";
import { formatMountUnit, formatStorageUnit, mountUnitName, STORAGE_UNIT } from "./storage-units.ts";

const UNIT_DIRECTORY = "/usr/lib/systemd/system";

/** Writes what makes and opens the encrypted disk for data, and the unit of its mount point. */
export const storageFinisher: Finisher = {
  name: "storage",
  replaces: [],
  finish(tree, context) {
    const editor = finisherEditor(tree, this.name, context);
    const { storage, content } = context.profile;
    const { dataDisk, mountPoint } = storage;
    if (!dataDisk) return editor.effect("no disk for data");
    const mount = mountUnitName(mountPoint);
    const place = `${UNIT_DIRECTORY}/${mount}`;
    if (editor.has(place)) {
      throw new CvmError(
        "setting",
        `cannot mount the disk for data on "${mountPoint}": expected no unit "${mount}" yet`,
        {
          hint: `take ${place} out of the extra trees, or choose another MountPoint=`,
        },
      );
    }
    editor.writeFile(STORAGE_PATH, STORAGE_SCRIPT);
    editor.writeFile(HEADER_CHECK_PATH, formatHeaderCheck(storage));
    editor.writeFile(`${UNIT_DIRECTORY}/${STORAGE_UNIT}`, formatStorageUnit(context.profile, dataDisk));
    editor.writeFile(place, formatMountUnit(storage));
    editor.writeSymlink(`${UNIT_DIRECTORY}/${content.defaultTarget}.wants/${mount}`, `../${mount}`);
    editor.makeDirectory(mountPoint);
    if (storage.key === "runtime") {
      editor.writeFile("/usr/lib/tmpfiles.d/cvm-storage.conf", `d ${RUNTIME_KEY_DIRECTORY} 0700 root root\n`);
    }
    const { by, name } = dataDisk;
    const keeper = storage.key === "tpm2" ? "key in the TPM" : "key brought at run time";
    return editor.effect(`disk ${by}:${name} on ${mountPoint}, ${keeper}`);
  },
};
