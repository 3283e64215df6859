import type { LockedPackage } from "./lock.ts";

/** What an image asks of a distribution's packages. */
export interface ResolveRequest {
  /** The distribution's name of it: amd64, arm64. */
  architecture: string;
  /** `name`, `name=version`, `name:architecture`, a glob over names, or a virtual name that one package provides. */
  packages: string[];
  /** Whether all packages that say `Essential: yes` are asked for too. */
  withEssential: boolean;
  /** Whether `Recommends` are followed. */
  withRecommends: boolean;
}

/** A package as the lock has it, whatever role it then plays. */
export type ResolvedPackage = Omit<LockedPackage, "role">;

/** What a request resolves to. */
export interface Resolution {
  /** Sorted by name. */
  packages: ResolvedPackage[];
}

/** Codes of the errors that a request or a lock can cause. */
export type ResolverErrorCode = "unsatisfiable" | "no-such-package" | "lock";
