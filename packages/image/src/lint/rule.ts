import type { Finding, Place } from "./finding.ts";
import type { Known, Need, Subject } from "./subject.ts";

/** One thing that a host may influence. */
export interface Rule extends Omit<Finding, "rule" | "places"> {
  id: string;
  /** What it cannot be decided without. */
  needs: readonly Need[];
  /** Where it shows; nothing where it does not apply. Called only where what it needs is known. */
  find(subject: Subject): Place[];
}

/** Completes a row of the table: `find` sees what the row says that it needs. */
export function rule<N extends Need = never>(
  row: Omit<Rule, "needs" | "find"> & { needs: readonly N[]; find(subject: Known<N>): Place[] },
): Rule {
  return { ...row, find: (subject) => row.find(subject as Known<N>) };
}
