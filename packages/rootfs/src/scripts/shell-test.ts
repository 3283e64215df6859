import type { ShellValue } from "./shell-state.ts";

/** Paths of which it is known, while an image is built, that nothing is there: run-time state and dpkg's own backups. */
const ABSENT_PATHS = /^\/(run|proc|sys)\/|^\/var\/run\/|\.dpkg-(bak|old|new|dist|remove|backup)$|\.(org|pam-old)$/;

/**
 * The outcome of `test` (XCU "test") as far as it is known before anything runs.
 * @param operands without `[` and `]`
 */
export function evaluateTest(operands: ShellValue[]): boolean | undefined {
  return evaluateOr(operands.slice());
}

function evaluateOr(operands: ShellValue[]): boolean | undefined {
  const at = operands.lastIndexOf("-o");
  if (at > 0 && at < operands.length - 1) {
    return either(evaluateOr(operands.slice(0, at)), evaluateOr(operands.slice(at + 1)));
  }
  const and = operands.lastIndexOf("-a");
  if (and > 0 && and < operands.length - 1) {
    return both(evaluateOr(operands.slice(0, and)), evaluateOr(operands.slice(and + 1)));
  }
  if (operands[0] === "!" && operands.length > 1) {
    const value = evaluateOr(operands.slice(1));
    return value === undefined ? undefined : !value;
  }
  return evaluatePrimary(operands);
}

function evaluatePrimary(operands: ShellValue[]): boolean | undefined {
  const [first, second, third] = operands;
  if (operands.length === 0) return false;
  if (operands.length === 1) return first === undefined ? undefined : first !== "";
  if (operands.length === 2) {
    if (second === undefined) return undefined;
    if (first === "-n") return second !== "";
    if (first === "-z") return second === "";
    if (first !== undefined && /^-[bcdefghLprsSuwx]$/.test(first)) return ABSENT_PATHS.test(second) ? false : undefined;
    return undefined;
  }
  if (operands.length !== 3 || first === undefined || third === undefined) return undefined;
  if (second === "=" || second === "==") return first === third;
  if (second === "!=") return first !== third;
  const [left, right] = [Number(first), Number(third)];
  if (first === "" || third === "" || !Number.isInteger(left) || !Number.isInteger(right)) return undefined;
  if (second === "-eq") return left === right;
  if (second === "-ne") return left !== right;
  if (second === "-gt") return left > right;
  if (second === "-ge") return left >= right;
  if (second === "-lt") return left < right;
  if (second === "-le") return left <= right;
  return undefined;
}

/** Three-valued disjunction: undefined is "not known". */
export function either(a: boolean | undefined, b: boolean | undefined): boolean | undefined {
  if (a === true || b === true) return true;
  return a === false && b === false ? false : undefined;
}

/** Three-valued conjunction. */
export function both(a: boolean | undefined, b: boolean | undefined): boolean | undefined {
  if (a === false || b === false) return false;
  return a === true && b === true ? true : undefined;
}

/** Whether a shell pattern matches; undefined where either side is not known. */
export function matchesPattern(pattern: ShellValue, text: ShellValue): boolean | undefined {
  if (pattern === "*") return true;
  if (pattern === undefined || text === undefined) return undefined;
  const source = pattern
    .replace(/[.+^${}()|\\]/g, "\\$&")
    .replace(/\*/g, "[\\s\\S]*")
    .replace(/\?/g, "[\\s\\S]");
  try {
    return new RegExp(`^${source}$`).test(text);
  } catch {
    return undefined;
  }
}
