import type { GuestStep } from "./guest-steps.ts";

/**
 * The steps that add pages in the order in which QEMU adds them: page data waits until page data comes that does not
 * continue it, or the end; parameters do not wait. Contexts are left out, which KVM measures at the end.
 * @see QEMU `backends/igvm.c`, `qigvm_process_mem_page`
 */
export function batchedByQemu(steps: readonly GuestStep[]): GuestStep[] {
  const ordered: GuestStep[] = [];
  let waiting: GuestStep[] = [];
  for (const step of steps) {
    if (step.directive.name === "PARAMETER_INSERT") ordered.push(step);
    if (step.directive.name !== "PAGE_DATA") continue;
    const last = waiting.at(-1);
    if (last && !continues(last, step)) {
      ordered.push(...waiting);
      waiting = [];
    }
    waiting.push(step);
  }
  return [...ordered, ...waiting];
}

/** Whether QEMU takes a page into the region of the page before. */
function continues(last: GuestStep, next: GuestStep): boolean {
  const [before, after] = [last.directive, next.directive];
  return (
    before.name === "PAGE_DATA" &&
    after.name === "PAGE_DATA" &&
    last.index + 1 === next.index &&
    last.gpa + BigInt(last.sizeBytes) === next.gpa &&
    before.fields.flags === after.fields.flags &&
    before.fields.dataType === after.fields.dataType &&
    before.fields.compatibilityMask === after.fields.compatibilityMask &&
    (before.data === undefined) === (after.data === undefined)
  );
}
