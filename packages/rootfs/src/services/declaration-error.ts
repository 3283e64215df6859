import { CvmError } from "@cvm-build/bytes";
import type { ServiceDeclaration } from "@cvm-build/profile";

/** An error in a service's declaration, with its place. */
export function declarationError(
  service: ServiceDeclaration,
  fault: { field: string; expected: string; got: string; hint?: string },
): CvmError {
  const { file, line } = service.position;
  const place = line === undefined ? file : `${file}:${line}`;
  return new CvmError(
    "service",
    `cannot declare service "${service.name}" (${place}): expected ${fault.field} to be ${fault.expected}, got ${fault.got}`,
    {
      ...(fault.hint === undefined ? {} : { hint: fault.hint }),
      details: { ...service.position, service: service.name, field: fault.field },
    },
  );
}
