import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { makeTestFolder } from "../store.fixture.ts";
import { type HostMirrors, readHostMirrors } from "./apt-sources.ts";

/** What is read from `files` of an apt folder. */
function read(files: Record<string, string>): HostMirrors {
  using folder = makeTestFolder();
  mkdirSync(join(folder.path, "sources.list.d"));
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder.path, name), text);
  return readHostMirrors(folder.path);
}

const list = (text: string) => read({ "sources.list": text });
const sources = (text: string) => read({ "sources.list.d/debian.sources": text });

describe("the host's mirrors", () => {
  it.each<[string, string, Partial<HostMirrors>]>([
    ["a plain line", "deb http://m.example/debian bookworm main", { main: ["http://m.example/debian"] }],
    ["a final slash", "deb http://m.example/debian/ trixie main contrib", { main: ["http://m.example/debian"] }],
    ["options", "deb [ arch=amd64 signed-by=/k.gpg ] https://m.example/d sid main", { main: ["https://m.example/d"] }],
    ["a comment", "deb http://m.example/debian stable main # the mirror", { main: ["http://m.example/debian"] }],
    ["the security suite", "deb http://m.example/s trixie-security main", { security: ["http://m.example/s"] }],
    [
      "the security path",
      "deb http://m.example/debian-security sid main",
      { security: ["http://m.example/debian-security"] },
    ],
    ["a folder", "deb file:/srv/debian trixie main", { main: ["file:/srv/debian"] }],
    [
      "each once",
      "deb http://m.example/d a main\n".replace(" a ", " trixie ").repeat(2),
      { main: ["http://m.example/d"] },
    ],
    ["a comment line", "# deb http://m.example/debian bookworm main", {}],
    ["sources only", "deb-src http://m.example/debian bookworm main", {}],
    ["another vendor's suite", "deb https://packages.example/apt cloud-sdk-bookworm main", {}],
    ["another vendor's component", "deb https://download.example/linux/debian bookworm stable", {}],
    ["a mirror list", "deb mirror+file:/etc/apt/mirrors/debian.list bookworm main", {}],
    ["a disc", "deb cdrom:[Debian]/ bookworm main", {}],
    ["a moment", "deb http://snapshot.debian.org/archive/debian/20250520T000000Z bookworm main", {}],
    ["half a line", "deb http://m.example/debian", {}],
    ["nothing", "", {}],
  ])("one-line style: %s", (_, text, expected) => {
    expect(list(text)).toEqual({ main: [], security: [], ...expected });
  });

  it.each<[string, string, Partial<HostMirrors>]>([
    [
      "what Debian installs",
      "Types: deb\n# a moment\nURIs: http://m.example/debian\nSuites: bookworm bookworm-updates\nComponents: main\nSigned-By: /k\n\n" +
        "Types: deb deb-src\nURIs: http://m.example/debian-security/\nSuites: bookworm-security\nComponents: main\n",
      { main: ["http://m.example/debian"], security: ["http://m.example/debian-security"] },
    ],
    [
      "several addresses",
      "Types: deb\nURIs: http://a/d\n http://b/d\nSuites: sid\nComponents: main\n",
      { main: ["http://a/d", "http://b/d"] },
    ],
    ["case", "types: deb\nuris: http://a/d\nsuites: sid\ncomponents: main\n", { main: ["http://a/d"] }],
    ["a disabled one", "Enabled: no\nTypes: deb\nURIs: http://a/d\nSuites: sid\nComponents: main\n", {}],
    ["sources only", "Types: deb-src\nURIs: http://a/d\nSuites: sid\nComponents: main\n", {}],
    ["another vendor's", "Types: deb\nURIs: https://deb.example/node_20.x\nSuites: nodistro\nComponents: main\n", {}],
    ["an exact path", "Types: deb\nURIs: http://a/d\nSuites: ./\n", {}],
    ["nonsense", "::::\n\n- -\n", {}],
  ])("deb822 style: %s", (_, text, expected) => {
    expect(sources(text)).toEqual({ main: [], security: [], ...expected });
  });

  it("are read in apt's order: sources.list, then its folder by name", () => {
    const line = (host: string) => `deb http://${host}/debian trixie main\n`;
    expect(
      read({
        "sources.list.d/b.list": line("b"),
        "sources.list.d/a.list": line("a"),
        "sources.list.d/a.list.save": line("saved"),
        "sources.list": line("first"),
      }).main,
    ).toEqual(["http://first/debian", "http://a/debian", "http://b/debian"]);
  });

  it("are none where there is no apt", () => {
    expect(readHostMirrors("/nowhere")).toEqual({ main: [], security: [] });
  });
});
