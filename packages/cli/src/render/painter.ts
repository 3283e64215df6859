import { styleText } from "node:util";

type Style = "bold" | "dim" | "red" | "green" | "yellow" | "cyan";

/** Puts colour on text, or leaves it as it is. */
export type Painter = (style: Style, text: string) => string;

/** A painter that paints only where `enabled`. */
export function painter({ enabled }: { enabled: boolean }): Painter {
  return enabled ? (style, text) => styleText(style, text, { validateStream: false }) : (_, text) => text;
}
