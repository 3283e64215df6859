import type { Sha256Hex } from "@cvm-build/bytes";
import { describe, expect, it } from "vitest";
import { runRules } from "./run-rules.ts";
import type { Subject } from "./subject.ts";
import { diskProfile, platformOf, subjectOf, treeOf } from "./subject.fixture.ts";
import { RULES } from "./table.ts";

const IMAGE = { id: "a", sha256: "00" as Sha256Hex };

describe("runRules", () => {
  it("puts the gravest first", () => {
    const subject = subjectOf({ cmdline: "rd.break root=/dev/vda", files: {}, platforms: [platformOf()] });
    const { findings } = runRules(subject, IMAGE);
    expect(findings.map(({ rule, severity }) => [severity, rule])).toEqual([
      ["error", "debug-parameters"],
      ["warning", "root-filesystem"],
      ["note", "command-line-override"],
      ["note", "companions"],
      ["note", "kernel-lockdown"],
    ]);
  });

  it("says which rules it could not decide, and why", () => {
    const subject = { ...subjectOf({ cmdline: "lockdown=integrity" }), unknown: { tree: "it is of lead" } };
    const { findings, checked, notChecked } = runRules(subject, IMAGE);
    expect(findings).toEqual([]);
    expect(checked).toEqual([
      ...["debug-parameters", "root-filesystem", "verity-options", "unreadable-blocks", "kernel-lockdown"],
      "uki-profiles",
    ]);
    expect([...checked, ...notChecked.map(({ rule }) => rule)].sort()).toEqual(RULES.map(({ id }) => id).sort());
    expect(notChecked).toContainEqual({ rule: "credentials", reason: "it is of lead" });
    expect(notChecked).toContainEqual({ rule: "companions", reason: "nothing is known of its platforms" });
  });

  it("looks at an initrd that leads to another system beside that system", () => {
    const generators = "/usr/lib/systemd/system-generators";
    const files = { "/usr/lib/systemd/systemd": "elf", [`${generators}/systemd-run-generator`]: "elf" };
    const initrd = treeOf({ ...files, "/etc/initrd-release": "", [`${generators}/systemd-gpt-auto-generator`]: "elf" });
    const placesOf = (subject: Subject) =>
      Object.fromEntries(runRules(subject, IMAGE).findings.map(({ rule, places }) => [rule, places]));
    const effect = "systemd.run= runs a command as root";
    const inInitrd = { kind: "file", name: `${generators}/systemd-run-generator`, detail: `${effect}, in the initrd` };
    const gptAuto = { kind: "file", name: `${generators}/systemd-gpt-auto-generator`, detail: "in the initrd" };
    expect(placesOf({ ...subjectOf({ cmdline: "lockdown=integrity", files }), initrd })).toEqual({
      credentials: [{ kind: "section", name: ".cmdline" }],
      generators: [{ ...inInitrd, detail: effect }, inInitrd],
      "gpt-auto-root": [gptAuto],
      "no-phases": [{ kind: "file", name: "/usr/lib/systemd/systemd" }],
    });
    // Where the system is not known, what was seen of its initrd is no answer.
    const unknown = { ...subjectOf({ cmdline: "lockdown=integrity" }), initrd, unknown: { tree: "it is elsewhere" } };
    expect(placesOf(unknown)).toMatchObject({ generators: [inInitrd], "gpt-auto-root": [gptAuto] });
    const { checked, notChecked } = runRules(unknown, IMAGE);
    expect(checked).not.toContain("root-shell");
    expect(notChecked).toContainEqual({ rule: "root-shell", reason: "it is elsewhere" });
  });

  it("names the setting of an image that was built here, else the section", () => {
    const places = (subject: ReturnType<typeof subjectOf>) =>
      runRules(subject, IMAGE).findings.find(({ rule }) => rule === "debug-parameters")?.places;
    const cmdline = ["rd.break", "quiet single"];
    const second = { kind: "section", name: ".cmdline of profile 1", detail: "single" };
    expect(places(subjectOf({ cmdline }))).toEqual([{ kind: "section", name: ".cmdline", detail: "rd.break" }, second]);
    expect(places(subjectOf({ cmdline, profile: diskProfile() }))).toEqual([
      { kind: "setting", name: "Content.KernelCommandLine", detail: "rd.break" },
      second,
    ]);
  });
});
