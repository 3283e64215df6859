import { isAbsolute, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { StoreError } from "../errors.ts";
import { type HostMirrors, readHostMirrors } from "./apt-sources.ts";

/** The distribution's own archives: what is asked when neither the profile nor the host names a mirror. */
export interface PublicArchives {
  main: string;
  security: string;
  /** The timestamped archive; `archive/debian/<stamp>` is below it. */
  snapshot: string;
}

/** Debian's public archives, by the names under which it publishes them. */
export const DEBIAN_ARCHIVES: PublicArchives = {
  main: "http://ftp.debian.org/debian",
  security: "http://security.debian.org/debian-security",
  snapshot: "http://snapshot.debian.org",
};

/** What a profile says about mirrors. */
export interface MirrorSettings {
  /** `Mirror=`: the main archive's base; with `snapshot`, the timestamped archive's host. An address or a path. */
  mirror?: string | undefined;
  /** `SecurityMirror=`: the security archive's base. */
  securityMirror?: string | undefined;
  /** `Snapshot=`, such as `20260528T084923Z`. */
  snapshot?: string | undefined;
  /** What relative paths are relative to. */
  baseDirectory?: string | undefined;
}

/** Which of Debian's two archives: they have separate mirrors. */
export type ArchiveName = "main" | "security";

const FOLDER = { main: "debian", security: "debian-security" } as const satisfies Record<ArchiveName, string>;

/** Chooses addresses in the order of the architecture: the profile's mirror, the host's own, the public archive. */
export class MirrorList {
  readonly #aptDirectory: string;
  readonly #archives: PublicArchives;
  #host: HostMirrors | undefined;

  constructor({ aptDirectory, archives }: { aptDirectory: string; archives: PublicArchives }) {
    this.#aptDirectory = aptDirectory;
    this.#archives = archives;
  }

  /**
   * Bases to ask for an archive's *present* state. A mirror that the profile names is the only one: were another asked
   * when it fails, what a lock says would depend on who was reachable.
   */
  forMetadata(archive: ArchiveName, settings: MirrorSettings): string[] {
    const chosen = this.#chosen(archive, settings);
    return chosen.length > 0 ? chosen : this.#others(archive);
  }

  /** Bases to ask for bytes whose digest is known: whoever has them will do. */
  forPackages(archive: ArchiveName, settings: MirrorSettings): string[] {
    const { mirror, snapshot } = settings;
    const chosen = this.#chosen(archive, settings);
    const others = this.#others(archive);
    // The public timestamped archive is slow and limits its callers, so what mirrors still have is asked of them.
    const order = snapshot !== undefined && mirror === undefined ? [...others, ...chosen] : [...chosen, ...others];
    return [...new Set(order)];
  }

  /** The archive at a moment. @param stamp such as `20260528T084923Z` */
  timestamped(archive: ArchiveName, stamp: string): string {
    return timestampedBase(this.#archives.snapshot, { archive, stamp });
  }

  #chosen(archive: ArchiveName, { mirror, securityMirror, snapshot, baseDirectory }: MirrorSettings): string[] {
    if (snapshot !== undefined) {
      checkStamp(snapshot);
      const host = mirror === undefined ? this.#archives.snapshot : addressOf(mirror, baseDirectory);
      return [timestampedBase(host, { archive, stamp: snapshot })];
    }
    const named = archive === "main" ? mirror : securityMirror;
    return named === undefined ? [] : [addressOf(named, baseDirectory)];
  }

  #others(archive: ArchiveName): string[] {
    this.#host ??= readHostMirrors(this.#aptDirectory);
    return [...new Set([...this.#host[archive], this.#archives[archive]])];
  }
}

/** An address as it is, a path as a `file:` address; without a final slash. */
export function addressOf(place: string, baseDirectory = "/"): string {
  if (/^[a-z][a-z0-9+.-]+:/i.test(place) && !isAbsolute(place)) return place.replace(/\/+$/, "");
  return pathToFileURL(resolve(baseDirectory, place)).href.replace(/\/+$/, "");
}

/** Joins a base and a path of an archive; characters that addresses reserve (`+`, `:`) are escaped. */
export function joinAddress(base: string, path: string): string {
  return `${base}/${path.split("/").map(encodeURIComponent).join("/")}`;
}

function checkStamp(stamp: string): void {
  if (/^\d{8}T\d{6}Z$/.test(stamp)) return;
  throw new StoreError(
    "wrong-repository",
    `cannot use snapshot "${stamp}": expected a moment such as 20260528T084923Z, got something else`,
    { hint: "correct Snapshot=" },
  );
}

function timestampedBase(host: string, { archive, stamp }: { archive: ArchiveName; stamp: string }): string {
  return `${host}/archive/${FOLDER[archive]}/${stamp}`;
}
