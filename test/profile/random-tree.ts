import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

/** A source of choices that a seed decides. */
export class Choices {
  #state: number;

  constructor(seed: number) {
    this.#state = seed;
  }

  /** Gives an integer 0..below-1 (xorshift: tests must not differ between runs). */
  below(below: number): number {
    this.#state ^= this.#state << 13;
    this.#state ^= this.#state >>> 17;
    this.#state ^= this.#state << 5;
    return (this.#state >>> 0) % below;
  }

  of<T>(choices: readonly T[]): T {
    return choices[this.below(choices.length)]!;
  }

  chance(percent: number): boolean {
    return this.below(100) < percent;
  }
}

/** Settings with values that mkosi and cvm-build both take; none uses what is stricter here. */
const STATEMENTS: readonly [section: string, lines: string][] = [
  ["Content", "Packages=bash"],
  ["Content", "Packages=zsh, apt dash"],
  ["Content", "Packages=\n    vim\n    # a comment\n\n    nano,emacs"],
  ["Content", "Packages="],
  ["Content", "RemoveFiles=/usr/share/doc /b,/a"],
  ["Content", "RemoveFiles=\n  /x/*"],
  ["Content", "RemoveFiles="],
  ["Content", "RemovePackages=perl-*"],
  ["Content", "KernelCommandLine=quiet a,b"],
  ["Content", "KernelCommandLine=\n  console=ttyS0\n  x=%a rw"],
  ["Content", "KernelCommandLine="],
  ["Content", "Hostname=one"],
  ["Content", "Hostname=two-%d"],
  ["Content", "Hostname="],
  ["Content", "Locale=C.UTF-8"],
  ["Content", "Timezone=Europe/Vienna"],
  ["Content", "WithDocs=no"],
  ["Content", "WithDocs=TRUE"],
  ["Content", "WithDocs="],
  ["Content", "WithRecommends=on"],
  ["Content", "RootShell=/bin/sh"],
  ["Content", "Autologin=y"],
  ["Output", "ImageId=alpha"],
  ["Output", "ImageId=beta"],
  ["Output", "ImageVersion=1.2"],
  ["Output", "ImageVersion=1.10"],
  ["Output", "CompressLevel=7"],
  ["Build", 'Environment=A=1 B="x y"'],
  ["Build", "Environment=A=2\n  C='%a'"],
  ["Build", "Environment="],
  ["Config", "PassEnvironment=FOO BAR"],
];

const CONDITIONS = [
  "Release=trixie",
  "Release=!trixie",
  "Release=bookworm",
  "Distribution=debian",
  "Distribution=fedora",
  "Architecture=uefi",
  "Architecture=x86-64",
  "HostArchitecture=x86-64",
  "ImageId=al*",
  "ImageId=[!a]*",
  "ImageVersion=>=1.3",
  "ImageVersion=<1.3",
  "ImageVersion=1.2",
  "Profiles=p",
  "Profiles=q",
  "Profiles=",
  "Format=uki",
  "Format=disk",
  "Environment=A",
  "Environment=A=1",
  "PathExists=mkosi.conf",
  "PathExists=absent",
  "Image=main",
  "Image=other",
  "Bootable=auto",
  "Bootable=yes",
];

/** Without these, mkosi takes the host's. */
const BASICS = "[Distribution]\nDistribution=debian\nRelease=trixie\nArchitecture=x86-64\n[Output]\nFormat=uki\n";

interface RandomFile {
  /** How often there is one more section of conditions, in percent. */
  conditions?: number;
  includes?: readonly string[];
  /** Text that comes first. */
  head?: string;
  isLocal?: boolean;
}

/** A file's text: conditions, then some settings. */
function randomFile(
  choices: Choices,
  { conditions = 0, includes = [], head = "", isLocal = false }: RandomFile,
): string {
  const parts: string[] = [head];
  while (choices.chance(conditions)) {
    const terms = Array.from({ length: choices.below(4) }, () => {
      const [key, value] = choices.of(CONDITIONS).split(/=(.*)/s) as [string, string];
      const negation = choices.chance(30) && !value.startsWith("!") ? "!" : "";
      return `${key}=${choices.chance(30) ? "|" : ""}${negation}${value}`;
    });
    parts.push(`[${choices.of(["Match", "TriggerMatch"])}]`, ...terms, "");
  }
  for (let count = choices.below(5); count > 0; count--) {
    const [section, lines] = choices.of(STATEMENTS);
    parts.push(`[${section}]`, ...(choices.chance(20) ? ["# note"] : []), lines, ...(choices.chance(30) ? [""] : []));
  }
  if (includes.length > 0 && choices.chance(40)) parts.push("[Include]", `Include=${choices.of(includes)}`);
  const margin = isLocal || !choices.chance(10) ? "" : "   ";
  return (
    parts
      .map((part) =>
        part
          .split("\n")
          .map((line) => (line === "" ? "" : margin + line))
          .join("\n"),
      )
      .join("\n") + "\n"
  );
}

/** Writes a random configuration in mkosi's names below an empty directory. */
export function writeRandomTree(directory: string, choices: Choices): void {
  const put = (path: string, text: string): void => {
    mkdirSync(join(directory, dirname(path)), { recursive: true });
    writeFileSync(join(directory, path), text);
  };
  const includes = ["shared.conf", "%D/common", "mkosi.conf.d/../shared.conf"];
  put("mkosi.conf", randomFile(choices, { includes, head: BASICS }));
  put("shared.conf", randomFile(choices, { conditions: 30 }));
  put("common/mkosi.conf", randomFile(choices, { conditions: 30 }));
  put("common/mkosi.profiles/p.conf", randomFile(choices, {}));
  put("mkosi.conf.d/10-a.conf", randomFile(choices, { conditions: 60, includes }));
  put("mkosi.conf.d/9.conf", randomFile(choices, { conditions: 60, includes }));
  put("mkosi.conf.d/20-b/mkosi.conf", randomFile(choices, { conditions: 50 }));
  put("mkosi.conf.d/20-b/mkosi.conf.d/x.conf", randomFile(choices, { conditions: 30 }));
  put("mkosi.conf.d/30-c.disabled", "[Content]\nPackages=never\n");
  put("mkosi.profiles/p/mkosi.conf", randomFile(choices, { conditions: 40 }));
  put("mkosi.profiles/p/mkosi.conf.d/y.conf", randomFile(choices, { conditions: 40 }));
  put("mkosi.profiles/q.conf", randomFile(choices, { conditions: 40, includes: ["shared.conf"] }));
  if (choices.chance(40)) put("mkosi.local.conf", withoutResets(randomFile(choices, { isLocal: true })));
  if (choices.chance(30)) put("mkosi.local/mkosi.conf", withoutResets(randomFile(choices, { isLocal: true })));
  if (choices.chance(30)) put("mkosi.extra/etc/motd", "hello\n");
  if (choices.chance(30)) put("mkosi.profiles/p/mkosi.extra/etc/issue", "hello\n");
  if (choices.chance(20)) put("mkosi.version", "3.4\n");
}

/** mkosi forgets a list's reset in local files; here it holds. */
function withoutResets(text: string): string {
  return text.replaceAll(/^[A-Za-z]+=\n(?! )/gm, "");
}
