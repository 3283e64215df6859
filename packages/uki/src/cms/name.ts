/**
 * A certificate's subject or issuer on one line; Node gives each part a line of its own, nothing for a name without parts,
 * and characters as they are that a terminal may obey.
 */
export function oneLineName(name: string | undefined): string {
  return (name ?? "(no name)").replaceAll("\n", ", ").replaceAll(/\p{Cc}/gu, "?");
}
