import type { ContentSettings, Profile } from "@cvm-build/profile";
import { CacheFixture } from "../cache.fixture.ts";
import type { PackageFinisherContext } from "../finisher.ts";
import { profileFixture } from "../profile.fixture.ts";
import { readScripts } from "../scripts/classify.ts";

/** What a finisher is given in a test. */
export interface ContextInput {
  /** Texts of postinst scripts by package, without their first line. */
  postinst?: Record<string, string>;
  content?: Partial<ContentSettings>;
  profile?: Partial<Profile>;
}

/** A finisher's context with the commands of a few scripts; its cache must not be asked. */
export function contextFixture({
  postinst = {},
  content = {},
  profile = {},
}: ContextInput = {}): PackageFinisherContext {
  const commands = Object.entries(postinst).flatMap(([name, text]) =>
    readScripts({ name, scripts: { postinst: `#!/bin/sh\n${text}\n` } }).flatMap((script) => script.commands ?? []),
  );
  const cache = new CacheFixture();
  return { profile: profileFixture(content, profile), cache, commands, extraTrees: [] };
}
