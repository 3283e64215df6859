import { sha256Hex } from "@cvm-build/bytes";
import { VARIABLE_STATES } from "./format.ts";
import type { StoredVariable, VariableStore } from "./reader.ts";

/** Data that is shown whole; of longer data the SHA-256 is. */
const MAX_SHOWN_BYTES = 16;

/** A variable store as text: one line a variable, with state, attributes, vendor, name, size and content. */
export function dumpVariableStore({ variables }: Pick<VariableStore, "variables">): string {
  return variables.map((variable) => `${describe(variable)}\n`).join("");
}

function describe({ state, attributes, vendor, name, data }: StoredVariable): string {
  const [word = "deleted"] = Object.entries(VARIABLE_STATES).flatMap(([known, value]) =>
    value === state ? known : [],
  );
  const content = data.length <= MAX_SHOWN_BYTES ? data.toString("hex") : `sha256 ${sha256Hex(data)}`;
  const hex = (value: number) => value.toString(16).padStart(2, "0");
  return `${hex(state)} ${word} ${hex(attributes)} ${vendor} ${JSON.stringify(name)} ${data.length} ${content}`;
}
