import { HANDLED_SNIPPETS } from "./handled-snippets.ts";
import { HARMLESS_SNIPPETS } from "./harmless-snippets.ts";
import { PACKAGE_SNIPPETS } from "./package-snippets.ts";
import type { Snippet } from "./snippet.ts";

/** Every row in the order in which they are asked; the first that fits decides. */
export const SNIPPETS: readonly Snippet[] = [...HANDLED_SNIPPETS, ...PACKAGE_SNIPPETS, ...HARMLESS_SNIPPETS];
