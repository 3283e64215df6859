import { assert, type Sha256Hex } from "@cvm-build/bytes";
import type { Lock } from "@cvm-build/resolver";
import { type DebFile, readCopyrightFiles } from "@cvm-build/rootfs";
import type { MirrorSettings } from "@cvm-build/store";
import type { ImageChoice } from "../machine.ts";
import { loadSelection } from "../selection.ts";
import { storeOf } from "../store.ts";
import type { Surroundings } from "../surroundings.ts";

/** Copyright files of the packages that have one, by the package's digest. */
export type Copyrights = ReadonlyMap<Sha256Hex, Uint8Array>;

/**
 * The copyright files of a lock's packages. What the store no longer has is fetched.
 * @throws StoreError for what cannot be had; CvmError `package`
 */
export async function fetchCopyrights(
  lock: Lock,
  { choice, surroundings }: { choice: ImageChoice; surroundings: Surroundings },
): Promise<Copyrights> {
  const { directory: baseDirectory, workers, report } = surroundings;
  const store = storeOf(surroundings);
  const bare = lock.artifacts.filter(({ kind }) => kind === "deb");
  const [packages, artifacts] = await Promise.all([
    store.fetchPackages(lock, { ...mirrorsOf(choice, surroundings), baseDirectory }),
    store.fetchArtifacts(bare, { baseDirectory, overrides: new Map() }),
  ]);
  const paths = new Map([...packages, ...artifacts]);
  const debs = [...lock.packages, ...bare].map(({ name, sha256 }): DebFile => {
    const path = paths.get(sha256);
    assert(path, `the store fetched ${sha256}`);
    return { name, sha256, path };
  });
  const unique = [...new Map(debs.map((deb) => [deb.sha256, deb])).values()];
  const found = await readCopyrightFiles(unique, { cache: store, workers, report });
  return new Map(unique.flatMap(({ sha256 }, index) => (found[index] ? [[sha256, found[index]] as const] : [])));
}

/** Where the profile's packages come from; for an image by itself, where anybody's do. */
function mirrorsOf(choice: ImageChoice, surroundings: Surroundings): MirrorSettings {
  if (!("selection" in choice)) return {};
  const { mirror, securityMirror, snapshot } = loadSelection(choice.selection, surroundings).profile.distribution;
  return { mirror, securityMirror, snapshot };
}
