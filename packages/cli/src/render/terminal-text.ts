/**
 * Control characters, but for line ends, tabs and the colours that `painter` puts on; and what turns the direction of
 * text, so that it is shown in another order than it has.
 */
// oxlint-disable-next-line no-control-regex -- control characters are what is found
const OBEYED = /(?!\u001b\[(?:1|2|22|31|32|33|36|39)m)[[\p{Cc}\p{Bidi_Control}]--[\n\t]]/gv;

/**
 * Text as a terminal may have it: names, command lines and certificates of foreign files may hold what moves the cursor,
 * renames the window, or answers in the user's name.
 */
export function terminalText(text: string): string {
  return text.replaceAll(OBEYED, "\ufffd");
}

/** Text that is to stay in its line, as a name or label of a foreign file would have to: it could feign further ones. */
export function oneLine(text: string): string {
  return text.replaceAll("\n", "\ufffd");
}
