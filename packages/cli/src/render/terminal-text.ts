/** Control characters, but for line ends, tabs and the colours that `painter` puts on. */
// oxlint-disable-next-line no-control-regex -- control characters are what is found
const OBEYED = /(?!\u001b\[(?:1|2|22|31|32|33|36|39)m)[\p{Cc}--[\n\t]]/gv;

/**
 * Text as a terminal may have it: names, command lines and certificates of foreign files may hold what moves the cursor,
 * renames the window, or answers in the user's name.
 */
export function terminalText(text: string): string {
  return text.replaceAll(OBEYED, "\ufffd");
}
