import { spawnSync } from "node:child_process";
import { mkdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { extensionFault, type ExtensionKind, parseOsRelease } from "@cvm-build/rootfs";
import { afterAll, describe, expect, it } from "vitest";
import { debianRoot } from "../support/trixie-root.ts";
import { temporaryFolder } from "./folder-tree.ts";

const systemd = debianRoot("trixie", ["systemd"]);
const isRoot = process.getuid?.() === 0;

/** Releases of a system, and of extensions that may or may not fit it. */
const HOSTS = [
  "ID=debian\nVERSION_ID=13\n",
  "ID=ubuntu\nID_LIKE=debian\nVERSION_ID=13\n",
  "ID=debian\n",
  "ID=debian\nVERSION_ID=13\nSYSEXT_LEVEL=2\nCONFEXT_LEVEL=2\n",
  "ID=debian\nSYSEXT_LEVEL=2\nCONFEXT_LEVEL=2\n",
];
const EXTENSIONS = [
  "ID=debian\nVERSION_ID=13\n",
  "ID=debian\nVERSION_ID=12\n",
  "ID=debian\n",
  "ID=_any\n",
  "ID=fedora\nVERSION_ID=13\n",
  "VERSION_ID=13\n",
  "ID=debian\nSYSEXT_LEVEL=2\nCONFEXT_LEVEL=2\n",
  "ID=debian\nSYSEXT_LEVEL=3\nCONFEXT_LEVEL=3\nVERSION_ID=13\n",
  "ID=debian\nVERSION_ID=13\nARCHITECTURE=x86-64\n",
  "ID=debian\nVERSION_ID=13\nARCHITECTURE=arm64\n",
  "ID=_any\nARCHITECTURE=_any\n",
  "ID=debian\nVERSION_ID=13\nSYSEXT_SCOPE=initrd\nCONFEXT_SCOPE=initrd\n",
  'ID=debian\nVERSION_ID="13"\nSYSEXT_SCOPE="initrd system"\nCONFEXT_SCOPE="initrd system"\n',
];

describe.skipIf(!systemd || !isRoot)("whether systemd would merge an extension", () => {
  const folder = temporaryFolder();
  afterAll(() => folder[Symbol.dispose]());

  it.each<ExtensionKind>(["sysext", "confext"])("is told as systemd-%s does", (kind) => {
    const counts = HOSTS.map((host, index) => {
      const fits = EXTENSIONS.map((text) => {
        const release = parseOsRelease(host);
        return extensionFault(parseOsRelease(text), {
          kind,
          host: { release, architecture: "x86-64", scope: "system" },
        });
      });
      const ours = EXTENSIONS.flatMap((_, at) => (fits[at] === undefined ? [`extension-${at}`] : []));
      expect(ours, host).toEqual(mergedBySystemd(join(folder.path, `${kind}-${index}`), { kind, host }));
      return ours.length;
    });
    expect(counts).toEqual([6, 6, 9, 6, 8]);
  });

  /** Names of the extensions that systemd takes, of all that lie in a folder for `/`. */
  function mergedBySystemd(root: string, { kind, host }: { kind: ExtensionKind; host: string }): string[] {
    for (const path of ["usr/lib", "opt", "etc"]) mkdirSync(join(root, path), { recursive: true });
    writeFileSync(join(root, "usr/lib/os-release"), host);
    symlinkSync("../usr/lib/os-release", join(root, "etc/os-release"));
    EXTENSIONS.forEach((text, index) => {
      const places = kind === "sysext" ? ["extensions", "usr/lib"] : ["confexts", "etc"];
      const place = join(root, "var/lib", places[0]!, `extension-${index}`, places[1]!, "extension-release.d");
      mkdirSync(place, { recursive: true });
      writeFileSync(join(place, `extension-release.extension-${index}`), text);
    });
    const [loader, ...words] = systemd!.command("usr/bin/systemd-sysext");
    symlinkSync(words.pop()!, join(root, `systemd-${kind}`));
    const script = 'mount -t tmpfs run /run && exec "$@"';
    const program = [loader, ...words, "--argv0", `systemd-${kind}`, join(root, `systemd-${kind}`)];
    const result = spawnSync("unshare", ["-m", "sh", "-c", script, "sh", ...program, `--root=${root}`, "merge"], {
      encoding: "utf8",
      env: { PATH: process.env["PATH"], LC_ALL: "C", SYSTEMD_LOG_LEVEL: "debug", SYSTEMD_LOG_TARGET: "console" },
    });
    rmSync(join(root, `systemd-${kind}`));
    const using = /Using extensions (.*)\./.exec(result.stderr)?.[1];
    if (using === undefined) expect(result.stderr).toMatch(/No (suitable )?extensions found|no extensions/i);
    return [...(using ?? "").matchAll(/'([^']*)'/g)]
      .map(([, name = ""]) => name)
      .sort((a, b) => Number(a.slice(10)) - Number(b.slice(10)));
  }
});
