import { type ByteSource, FormatError } from "@cvm-build/bytes";
import { findLoaderInfo, readPe } from "@cvm-build/uki";
import type { EspFile } from "../companions.ts";
import { readWhole } from "../read-whole.ts";
import { addCommandLine } from "../stub-events.ts";
import { partsOfImage } from "./firmware-log.ts";
import type { BootDraft } from "./boot-draft.ts";
import type { ShimStart } from "./boot.ts";

/** Versions of systemd-boot whose measurements were compared with real boots, or read in source between such. */
const KNOWN_LOADERS = { first: 252, last: 262 } as const;
/** First systemd-boot that measures its configuration. */
const CONFIGURATION_SINCE = 255;
const CONFIGURATION = "/loader/loader.conf";

/**
 * Adds what is measured when firmware starts systemd-boot, up to the image that it starts: itself, its configuration, and
 * the options that it passes on.
 * @throws FormatError where the loader is not systemd-boot; CvmError `secure-boot` where firmware would not start it
 * @see systemd-boot(7), "TPM PCR Notes"
 */
export function addSystemdBoot(
  start: {
    loader: ByteSource;
    loaderPath: string;
    companions: readonly EspFile[];
    commandLine?: string;
    shim?: ShimStart;
  },
  { draft, open, firmware }: BootDraft,
): void {
  const { loader, loaderPath: path, companions, commandLine } = start;
  const info = findLoaderInfo(readPe(loader));
  if (info?.program !== "systemd-boot") {
    const place = { record: "systemd-boot", field: ".sdmagic" };
    throw new FormatError(place, `expected systemd-boot to name itself, got ${info?.program ?? "nothing that does"}`);
  }
  const { major } = info.version;
  if (major < KNOWN_LOADERS.first || major > KNOWN_LOADERS.last) {
    const known = `${KNOWN_LOADERS.first} to ${KNOWN_LOADERS.last}`;
    open.leave([5, 12], `what systemd-boot ${major} measures is not known; ${known} are`);
  }
  const authority = start.shim ? undefined : firmware.require(path, loader);
  firmware.addImage({ path, source: { file: path }, parts: partsOfImage(loader), authority }, { fromDisk: true });
  const configuration = companions.find((file) => file.path.toLowerCase() === CONFIGURATION);
  if (configuration && major >= CONFIGURATION_SINCE) {
    const digest = readWhole(configuration.content);
    const source = { file: configuration.path };
    draft.add({ pcr: 5, type: "EV_EVENT_TAG", label: "loader.conf", source, digest });
  }
  if (commandLine !== undefined && commandLine !== "") {
    addCommandLine(draft, commandLine, { constant: "options of a boot entry" });
  }
}
