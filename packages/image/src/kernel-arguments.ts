import type { Profile } from "@cvm-build/profile";

/** A profile whose kernel is told more. */
export function withArguments(profile: Profile, more: readonly string[]): Profile {
  const { content } = profile;
  return { ...profile, content: { ...content, kernelCommandLine: [...content.kernelCommandLine, ...more] } };
}
