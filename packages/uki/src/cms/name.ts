/** A certificate's subject or issuer on one line; Node gives each part a line of its own. */
export function oneLineName(name: string): string {
  return name.replaceAll("\n", ", ");
}
