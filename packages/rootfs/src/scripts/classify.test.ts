import { sha256Hex } from "@cvm-build/bytes";
import { describe, expect, it } from "vitest";
import { type ClassifiedScript, classifyScript, readScripts, type ScriptSource } from "./classify.ts";

/** A postinst as debhelper 13 ends it for a package with a unit, a user of its own and a state directory. */
const DAEMON_POSTINST = `#!/bin/sh
set -e
if [ "$1" = configure ]; then
	adduser --system --group --no-create-home --home /var/lib/d d
	mkdir -p /var/lib/d
	chown d:d /var/lib/d
fi
# Automatically added by dh_installsystemd/13.24.2
if [ "$1" = "configure" ] || [ "$1" = "abort-upgrade" ] || [ "$1" = "abort-remove" ] ; then
	deb-systemd-helper unmask 'd.service' >/dev/null || true
	if deb-systemd-helper --quiet was-enabled 'd.service'; then
		deb-systemd-helper enable 'd.service' >/dev/null || true
	else
		deb-systemd-helper update-state 'd.service' >/dev/null || true
	fi
fi
# End automatically added section
# Automatically added by dh_installsystemd/13.24.2
if [ "$1" = "configure" ]; then
	if [ -d /run/systemd/system ]; then
		systemctl --system daemon-reload >/dev/null || true
		deb-systemd-invoke start 'd.service' >/dev/null || true
	fi
fi
# End automatically added section
exit 0
`;

const classesOf = (postinst: string): string[] =>
  classify({ name: "x", scripts: { postinst } }).flatMap(({ lines }) =>
    lines.map((line) => `${line.line} ${line.class}: ${line.by ?? line.text}`),
  );

const image = { has: (path: string) => path.startsWith("/usr/") };

const classify = (source: ScriptSource): ClassifiedScript[] =>
  readScripts(source).map((script) => classifyScript(script, image));

describe("classifyScript", () => {
  it("tells what is done for a daemon, line by line", () => {
    expect(classesOf(DAEMON_POSTINST)).toEqual([
      "4 handled: adduser",
      "5 handled: plain-files",
      "6 handled: plain-files",
      "10 harmless: keeps dpkg's own record",
      "10 harmless: has no lasting effect",
      "11 harmless: keeps dpkg's own record",
      "12 handled: unit-enablement",
      "12 harmless: has no lasting effect",
    ]);
  });

  it("misses the unit of a service that only has an init script", () => {
    const [script] = readScripts({ name: "x", scripts: { postinst: "#!/bin/sh\nupdate-rc.d x defaults\n" } });
    const classIn = (...paths: string[]) =>
      script && classifyScript(script, { has: (path) => paths.includes(path) }).class;
    expect(classIn("/etc/init.d/x")).toBe("not-handled");
    expect(classIn("/etc/init.d/x", "/usr/lib/systemd/system/x.service")).toBe("harmless");
    expect(classIn()).toBe("harmless");
  });

  it.each([
    ["a program that nobody knows", "frobnicate --all", "frobnicate --all"],
    ["a write that nobody makes", "echo 1 > /etc/frob.conf", "echo 1 > /etc/frob.conf"],
    ["a directory whose name is not known", 'mkdir -p "$(frob)"', 'mkdir -p "$(frob)"'],
    ["a diversion that moves files", "dpkg-divert --add --rename /usr/bin/x", "dpkg-divert --add --rename /usr/bin/x"],
    ["a search that changes what it finds", "find /var/x -exec chown x {} +", "find /var/x -exec chown x {} +"],
    ["a search that removes", "find /var/x -delete", "find /var/x -delete"],
    ["a sort into a file", "sort -uo /etc/x /etc/x", "sort -uo /etc/x /etc/x"],
    ["an awk program that runs others", "awk '{ system(\"x\") }' f", "awk '{ system(\"x\") }' f"],
    ["dpkg where it does more than look", "dpkg --add-architecture i386", "dpkg --add-architecture i386"],
    ["what depth a mode reaches", "chmod -vR 0700 /var/lib/x", "chmod -vR 0700 /var/lib/x"],
    ["a mode in other words", "mkdir --mode=u=rwx /var/lib/x", "mkdir --mode=u=rwx /var/lib/x"],
    ["a copy of a directory", "cp -r /usr/share/x /etc/x", "cp -r /usr/share/x /etc/x"],
    ["an account option that is not known", "useradd -e 1 x", "useradd -e 1 x"],
    ["more than a membership", "usermod -s /bin/sh -G video x", "usermod -s /bin/sh -G video x"],
    ["a shell that is not known", "add-shell $(a)", "add-shell $(a)"],
    ["a removal of configuration", "rm -f /usr/lib/tmpfiles.d/x.conf", "rm -f /usr/lib/tmpfiles.d/x.conf"],
    ["a removal of what is there", "rm -f /usr/share/x", "rm -f /usr/share/x"],
    ["capabilities", "setcap cap_net_raw+ep /bin/ping", "setcap cap_net_raw+ep /bin/ping"],
    [
      "an alternative of a name that is not known",
      "update-alternatives --install $(a) b c 1",
      "update-alternatives --install $(a) b c 1",
    ],
  ])("leaves nothing out silently: %s", (_, line, text) => {
    const [script] = classify({ name: "x", scripts: { postinst: `#!/bin/sh\n${line}\n` } });
    expect(script).toMatchObject({ class: "not-handled", lines: [{ line: 2, text, class: "not-handled" }] });
  });

  it("does not read what is no shell script", () => {
    const [script] = classify({ name: "x", scripts: { postinst: "#!/usr/bin/perl\nunlink 1;\n" } });
    expect(script).toMatchObject({ class: "not-handled", lines: [{ line: 1, text: "#!/usr/bin/perl" }] });
    const [binary] = classify({ name: "x", scripts: { preinst: "\x7fELF\x02\x01" } });
    expect(binary).toMatchObject({ class: "not-handled", lines: [{ text: "?ELF??" }] });
    const [broken] = classify({ name: "x", scripts: { postinst: "#!/bin/sh\nif true\n" } });
    expect(broken).toMatchObject({ class: "not-handled" });
  });

  it("asks nothing of scripts that an image never runs", () => {
    const text = "#!/bin/sh\nrm -rf /var/lib/x\n";
    const scripts = classify({
      name: "x",
      scripts: { config: text, prerm: text, postrm: text },
      triggers: "interest x\n",
    });
    expect(scripts.map((script) => [script.script, script.class, script.sha256])).toEqual([
      ["config", "none-needed", sha256Hex(text)],
      ["prerm", "none-needed", sha256Hex(text)],
      ["postrm", "none-needed", sha256Hex(text)],
      ["triggers", "none-needed", sha256Hex("interest x\n")],
    ]);
  });

  it("needs nothing where a first installation reaches nothing", () => {
    const postinst = '#!/bin/sh\nif [ "$1" = triggered ]; then frobnicate; fi\n';
    expect(classify({ name: "x", scripts: { postinst } })).toMatchObject([{ class: "none-needed", lines: [] }]);
  });
});
