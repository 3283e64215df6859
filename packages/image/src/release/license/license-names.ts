/** GNU licences, which SPDX names by whether later versions are allowed. */
const GNU: Readonly<Record<string, string>> = {
  "gpl-1": "GPL-1.0",
  "gpl-2": "GPL-2.0",
  "gpl-3": "GPL-3.0",
  "lgpl-2": "LGPL-2.0",
  "lgpl-2.1": "LGPL-2.1",
  "lgpl-3": "LGPL-3.0",
  "agpl-3": "AGPL-3.0",
  "gfdl-1.1": "GFDL-1.1",
  "gfdl-1.2": "GFDL-1.2",
  "gfdl-1.3": "GFDL-1.3",
  "gfdl-niv-1.1": "GFDL-1.1-no-invariants",
  "gfdl-niv-1.2": "GFDL-1.2-no-invariants",
  "gfdl-niv-1.3": "GFDL-1.3-no-invariants",
};

/** Short names that the format itself defines, and SPDX has another word for. */
const RENAMED: Readonly<Record<string, string>> = {
  expat: "MIT",
  cc0: "CC0-1.0",
  "zope-1.1": "ZPL-1.1",
  "zope-2.0": "ZPL-2.0",
  "zope-2.1": "ZPL-2.1",
};

/**
 * Names that are the same in both: those of the format's list, with the versions that there are, and identifiers of SPDX
 * that packagers write as they are and that say which version is meant. Names that stand for texts that differ from
 * package to package (MIT, X11, Artistic, BSD, public-domain, …) are not here.
 */
const SHARED: readonly string[] = [
  "0BSD",
  "AFL-2.0",
  "AFL-2.1",
  "AFL-3.0",
  "APSL-2.0",
  "Apache-1.0",
  "Apache-1.1",
  "Apache-2.0",
  "Artistic-2.0",
  "BSD-2-Clause",
  "BSD-3-Clause",
  "BSD-4-Clause",
  "BSL-1.0",
  "CC-BY-1.0",
  "CC-BY-2.0",
  "CC-BY-2.5",
  "CC-BY-3.0",
  "CC-BY-4.0",
  "CC-BY-SA-1.0",
  "CC-BY-SA-2.0",
  "CC-BY-SA-2.5",
  "CC-BY-SA-3.0",
  "CC-BY-SA-4.0",
  "CC0-1.0",
  "CDDL-1.0",
  "CDDL-1.1",
  "CPL-1.0",
  "ECL-2.0",
  "EFL-1.0",
  "EFL-2.0",
  "EPL-1.0",
  "EPL-2.0",
  "EUPL-1.1",
  "EUPL-1.2",
  "ISC",
  "LPPL-1.0",
  "LPPL-1.1",
  "LPPL-1.2",
  "LPPL-1.3a",
  "LPPL-1.3c",
  "MIT-0",
  "MPL-1.0",
  "MPL-1.1",
  "MPL-2.0",
  "OFL-1.0",
  "OFL-1.1",
  "QPL-1.0",
  "Unicode-3.0",
  "Unicode-DFS-2015",
  "Unicode-DFS-2016",
  "Zlib",
];

const NAMES: ReadonlyMap<string, string> = new Map([
  ...Object.entries(RENAMED).map(([name, id]) => [keyOf(name), id] as const),
  ...SHARED.map((id) => [keyOf(id), id] as const),
  ...Object.entries(GNU).flatMap(([name, id]) =>
    // Debian's GPL-2 and GPL-2+, and SPDX's own GPL-2.0-only and GPL-2.0-or-later.
    [name, id].flatMap((written) => [
      [keyOf(written), `${id}-only`] as const,
      [keyOf(`${written}+`), `${id}-or-later`] as const,
      [keyOf(`${written}-only`), `${id}-only`] as const,
      [keyOf(`${written}-or-later`), `${id}-or-later`] as const,
    ]),
  ),
]);

/** Case does not count, nor do zeros at the end of a version. */
function keyOf(name: string): string {
  return name.toLowerCase().replace(/(\d)(?:\.0)+(?=\+$|$|-only$|-or-later$)/, "$1");
}

/** Exceptions that packagers call by SPDX's own identifier. */
const EXCEPTIONS: ReadonlyMap<string, string> = new Map([["linux-syscall-note", "Linux-syscall-note"]]);

/** Every SPDX identifier that a short name can stand for, sorted. */
export const KNOWN_LICENSES: readonly string[] = [...new Set(NAMES.values())].sort();

/**
 * The SPDX expression for one short name of a Debian copyright file.
 * @param name such as `GPL-2+`, in any case
 * @param exception such as `Linux-syscall-note`, where the name is followed by `with … exception`
 * @returns undefined for a name that says nothing certain
 * @see Machine-readable debian/copyright file 1.0, "License short name"; SPDX License List 3.26
 */
export function spdxLicense(name: string, exception?: string): string | undefined {
  const license = NAMES.get(keyOf(name));
  if (exception === undefined) return license;
  const known = EXCEPTIONS.get(exception.toLowerCase());
  return license && known && `${license} WITH ${known}`;
}
