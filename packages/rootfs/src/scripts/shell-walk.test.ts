import { FormatError } from "@cvm-build/bytes";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { firstInstallCommands } from "./first-install.ts";
import { walkShell } from "./shell-walk.ts";

/** The commands of a postinst on a first installation, words joined; `?` is a word that is not known. */
function commandsOf(script: string): string[] {
  const commands = firstInstallCommands(script, { kind: "postinst", packageName: "x" });
  return commands.map(({ argv, writes }) =>
    [...argv.map((word) => word ?? "?"), ...writes.map((path) => `>${path ?? "?"}`)].join(" "),
  );
}

describe("firstInstallCommands", () => {
  it.each([
    ["a plain command", "ldconfig", ["ldconfig"]],
    ["quotes and escapes", `a 'b  c' "d $1" e\\ f`, ["a b  c d configure e f"]],
    ["continuation lines", "a \\\n  b", ["a b"]],
    ["comments", "# no\na # b\n#c", ["a"]],
    ["here-documents", "cat <<EOF >/etc/x\nrm -rf /\nEOF\nb", ["cat >/etc/x", "b"]],
    ["here-documents with tabs", "cat <<-'E'\n\trm\n\tE\nb", ["cat", "b"]],
    ["the configure branch", 'case "$1" in configure) a ;; remove|purge) b ;; *) c ;; esac', ["a"]],
    ["another branch", 'if [ "$1" = triggered ]; then a; fi', []],
    ["first installation", 'if [ -z "$2" ]; then a; else b; fi', ["a"]],
    ["upgrades", 'if [ -n "$2" ] && dpkg --compare-versions "$2" lt 1; then a; fi', []],
    [
      "an empty version is the earliest",
      'if dpkg --compare-versions "$2" lt 1; then a; fi',
      ["dpkg --compare-versions  lt 1", "a"],
    ],
    ["but not for -nl", 'if dpkg --compare-versions "$2" lt-nl 1; then a; fi', ["dpkg --compare-versions  lt-nl 1"]],
    ["what cannot be known goes both ways", "if which a; then b; else c; fi", ["which a", "b", "c"]],
    ["run-time state is absent", "if [ -d /run/systemd/system ]; then a; else b; fi", ["b"]],
    ["DPKG_ROOT is empty", 'a ${DPKG_ROOT:+--root="$DPKG_ROOT"} "$DPKG_ROOT/etc"', ["a /etc"]],
    ["functions with arguments", 'f() { a "$1" $2; }\nf x\nf y z', ["a x", "a y z"]],
    ["functions that nobody calls", "f() { rm -rf /; }", []],
    ["return leaves the function only", "f() { return 0; a; }\nf\nb", ["b"]],
    ["exit ends the script", "a; exit 0; b", ["a"]],
    ["an exit that may not happen does not", "a || exit 1\nb", ["a", "b"]],
    ["loops over words", "for x in a b; do touch /etc/$x; done", ["touch /etc/a", "touch /etc/b"]],
    ["loops over nobody knows what", "for x in $(ls); do a $x; done", ["a ?"]],
    ["while loops", "while read x; do a $x; done < /etc/f", ["a ?"]],
    ["variables", "d=/etc; e=$d/x\nmkdir -p $e", ["mkdir -p /etc/x"]],
    ["variables that differ by branch", "if which q; then d=1; else d=2; fi; a $d", ["which q", "a ?"]],
    ["command substitution is not known", 'a "$(mktemp)" `b`', ["a ? ?"]],
    ["pipes and negation", "! a | b && c", ["a", "b", "c"]],
    ["subshells keep their variables", "x=1; (x=2; a $x); a $x", ["a 2", "a 1"]],
    ["redirections of a group", "{ a; b; } > /etc/f", [": >/etc/f", "a", "b"]],
    ["/dev/null is no file", "a >/dev/null 2>&1", ["a"]],
    ["set changes the parameters", "set -- p q; a $2 $#", ["a q 2"]],
    ["shift drops as many as it says", "set -- p q r s; shift 2; a $1 $#", ["a r 2"]],
    ["loops of any length", `for x in ${"i ".repeat(99)}last; do a $x; done`, ["a i", "a last"]],
    ["command runs what it names", "command useradd x; command -v y", ["useradd x", "command -v y"]],
    [
      "a file that is read may set anything",
      'if [ -n "$X" ]; then a; fi\n. /etc/default/x\nif [ -n "$X" ]; then b; fi',
      [". /etc/default/x", "b"],
    ],
    [
      "debconf sets nothing that is asked for",
      '. /usr/share/debconf/confmodule\nif [ -n "$X" ]; then b; fi',
      [". /usr/share/debconf/confmodule"],
    ],
    ["defaults", 'a ${x:-y} ${1:-z} "${2-w}"', ["a y configure "]],
    [
      "deb-systemd-helper's answers",
      "if deb-systemd-helper --quiet was-enabled u; then a; else b; fi",
      ["deb-systemd-helper --quiet was-enabled u", "a"],
    ],
  ])("%s", (_, body, expected) => {
    expect(commandsOf(`#!/bin/sh\nset -e\n${body}\n`)).toEqual(expected);
  });

  it("tells the line and the text", () => {
    const [command] = firstInstallCommands("#!/bin/sh\n\nupdate-alternatives \\\n  --install a b c 1\n", {
      kind: "postinst",
      packageName: "x",
    });
    expect(command).toMatchObject({ line: 3, text: "update-alternatives --install a b c 1" });
  });

  it.each(["if a; then", "case x in a) b", "a 'b", 'a "b', "a $(b", "cat <<E\nx", "fi", "a )", "for x in a; b"])(
    "refuses what is no shell: %j",
    (script) => {
      expect(() => commandsOf(script)).toThrow(FormatError);
    },
  );

  it("stops on scripts that would go on for ever", () => {
    expect(commandsOf("f() { a; f; }\nf")).toEqual(["a"]);
    const bomb = Array.from({ length: 30 }, (_, index) => `f${index}() { f${index + 1}; f${index + 1}; }`).join("\n");
    expect(() => commandsOf(`${bomb}\nf0`)).toThrow("expected at most 20000 steps");
    expect(() => commandsOf("a && ".repeat(100_000) + "a")).toThrow(FormatError);
    expect(() => commandsOf("( ".repeat(100_000))).toThrow(FormatError);
  });

  it("gives commands or a FormatError for any text", () => {
    const words = [
      "if",
      "then",
      "fi",
      "case",
      "in",
      "esac",
      ";;",
      "(",
      ")",
      "{",
      "}",
      "&&",
      "|",
      "'",
      '"',
      "$1",
      "${x:-",
      "$(",
      "`",
      "<<E",
      "\n",
      " ",
      "a",
      "#",
      "\\",
    ];
    const script = fc.array(fc.constantFrom(...words), { maxLength: 60 }).map((parts) => parts.join(" "));
    const options = { arguments: ["configure", ""], variables: {}, knownStatus: () => undefined };
    fc.assert(
      fc.property(fc.oneof(script, fc.string({ maxLength: 200 })), (text) => {
        try {
          walkShell(text, options);
        } catch (error) {
          if (!(error instanceof FormatError)) throw error;
        }
      }),
      { seed: 2, numRuns: 2000 },
    );
  });
});
