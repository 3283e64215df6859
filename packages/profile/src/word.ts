import { ValueFault } from "./value-fault.ts";

/** A part of a longer text, and where in it the part starts. */
export interface Word {
  text: string;
  offset: number;
}

/** Splits at a separator (a global regular expression), leaving out what is empty. */
export function splitWords(text: string, separator: RegExp): Word[] {
  const words: Word[] = [];
  let start = 0;
  for (const match of text.matchAll(separator)) {
    if (match.index > start) words.push({ text: text.slice(start, match.index), offset: start });
    start = match.index + match[0].length;
  }
  if (start < text.length) words.push({ text: text.slice(start), offset: start });
  return words;
}

/**
 * Splits as a POSIX shell does: quotes and backslashes group, and nothing is expanded.
 * @param blanks the characters that separate words
 * @throws ValueFault if a quote is not closed or a backslash ends the text
 * @see POSIX.1-2024, Shell Command Language, 2.2 "Quoting"
 */
export function splitShellWords(text: string, blanks: string): Word[] {
  const words: Word[] = [];
  let word: Word | undefined;
  let quote: string | undefined;
  for (let index = 0; index < text.length; index++) {
    let char = text[index]!;
    if (quote === undefined && blanks.includes(char)) {
      if (word !== undefined) words.push(word);
      word = undefined;
      continue;
    }
    word ??= { text: "", offset: index };
    if (char === quote) quote = undefined;
    else if (quote === undefined && (char === '"' || char === "'")) quote = char;
    else {
      if (char === "\\" && quote !== "'") {
        const next = text[index + 1];
        if (next === undefined) throw new ValueFault("a character after the backslash", "the end of the value");
        // Between double quotes a backslash is itself unless it precedes a quote or a backslash.
        if (quote === undefined || next === '"' || next === "\\") {
          char = next;
          index++;
        }
      }
      word.text += char;
    }
  }
  if (quote !== undefined) throw new ValueFault(`a closing ${quote}`, "the end of the value");
  if (word !== undefined) words.push(word);
  return words;
}
