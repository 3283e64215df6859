import type { Word, WordPart } from "./shell-syntax.ts";

/** A shell value: text, or undefined where only running the script would tell. */
export type ShellValue = string | undefined;

/** Variables and positional parameters at one moment of a walk. */
export interface ShellState {
  variables: Map<string, ShellValue>;
  /** `$1`, `$2` …; undefined where not even their number is known. */
  positional: ShellValue[] | undefined;
  /** Whether a file was read that may have set variables of its own: then one that is not known here may be anything. */
  isOpen: boolean;
}

/** A copy that can change without the other. */
export function copyState(state: ShellState): ShellState {
  return { variables: new Map(state.variables), positional: state.positional?.slice(), isOpen: state.isOpen };
}

/** Makes `state` what holds after either of two alternatives: values that differ become unknown. */
export function mergeStates(state: ShellState, alternatives: ShellState[]): void {
  const [first, ...others] = alternatives;
  if (!first) return;
  const names = new Set(alternatives.flatMap(({ variables }) => [...variables.keys()]));
  for (const name of names) {
    const value = first.variables.get(name);
    const isSame = others.every(({ variables }) => variables.has(name) && variables.get(name) === value);
    state.variables.set(name, isSame && first.variables.has(name) ? value : undefined);
  }
  state.isOpen = alternatives.some(({ isOpen }) => isOpen);
  const text = JSON.stringify(first.positional);
  state.positional = others.every(({ positional }) => JSON.stringify(positional) === text)
    ? first.positional
    : undefined;
}

/** The fields that words become: expansion, then splitting of what is not quoted. `undefined` is one unknown field. */
export function expandWords(words: Word[], state: ShellState): ShellValue[] {
  return words.flatMap((word) => expandFields(word, state));
}

/** The one string that a word becomes where no splitting happens: in assignments, patterns and redirections. */
export function expandString(word: Word, state: ShellState): ShellValue {
  let text = "";
  for (const part of word) {
    const value = expandPart(part, state);
    if (value === undefined) return undefined;
    text += value;
  }
  return text;
}

function expandFields(word: Word, state: ShellState): ShellValue[] {
  const [only] = word;
  const listed = word.filter((part) => part.kind !== "text" || part.text !== "");
  if (
    listed.length === 1 &&
    listed[0]!.kind === "parameter" &&
    listed[0]!.operator === "" &&
    "@*".includes(listed[0]!.name)
  ) {
    return state.positional ?? [undefined];
  }
  if (word.length === 1 && only?.kind === "parameter" && !only.quoted) {
    if (only.operator.endsWith("+") && isSet(only.name, only.operator, state) === true) {
      return expandFields(only.argument, state);
    }
    const value = expandPart(only, state);
    return value === undefined ? [undefined] : value.split(/\s+/).filter(Boolean);
  }
  const value = expandString(word, state);
  const canVanish = word.every((part) => part.kind === "parameter" && !part.quoted);
  return value === "" && canVanish ? [] : [value];
}

function expandPart(part: WordPart, state: ShellState): ShellValue {
  if (part.kind === "text") return part.text;
  if (part.kind === "substitution") return undefined;
  const { name, operator, argument } = part;
  const value = parameterValue(name, state);
  if (operator === "") return value;
  const set = isSet(name, operator, state);
  if (set === undefined) return undefined;
  if (operator.endsWith("+")) return set ? expandString(argument, state) : "";
  if (operator.endsWith("-") || operator.endsWith("=")) return set ? value : expandString(argument, state);
  if (operator.endsWith("?")) return value;
  return undefined;
}

/** Whether the parameter is set and, with a colon in the operator, not empty. */
function isSet(name: string, operator: string, state: ShellState): boolean | undefined {
  const value = parameterValue(name, state);
  if (value === undefined) return undefined;
  return operator.startsWith(":") ? value !== "" : value !== "" || state.variables.has(name);
}

function parameterValue(name: string, { variables, positional, isOpen }: ShellState): ShellValue {
  if (/^[1-9][0-9]*$/.test(name))
    return positional ? (Number(name) <= positional.length ? positional[Number(name) - 1] : "") : undefined;
  if (name === "#") return positional ? String(positional.length) : undefined;
  if (name === "@" || name === "*")
    return positional?.every((value) => value !== undefined) ? positional.join(" ") : undefined;
  if (/^[0?$!-]$/.test(name) || name.startsWith("#")) return undefined;
  if (variables.has(name)) return variables.get(name);
  return isOpen ? undefined : "";
}
