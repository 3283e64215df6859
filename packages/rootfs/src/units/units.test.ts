import { dumpTree } from "@cvm-build/fs-writer";
import { describe, expect, it } from "vitest";
import { contextFixture } from "../finishers/context.fixture.ts";
import { unitEnablementFinisher } from "../finishers/unit-enablement.ts";
import { profileFixture } from "../profile.fixture.ts";
import { TreeEditor } from "../tree-editor.ts";
import { treeFixture } from "../tree.fixture.ts";
import { enableUnit } from "./enable.ts";
import { readPresets } from "./presets.ts";
import { isMasked, templateOf } from "./unit-files.ts";

const UNITS = "/usr/lib/systemd/system";
const files = {
  [`${UNITS}/multi-user.target`]: "[Unit]\n",
  [`${UNITS}/a.service`]: "[Install]\nWantedBy=multi-user.target  other.target\nAlias=alias.service\nAlso=a.socket\n",
  [`${UNITS}/a.service.d/x.conf`]: "[Install]\nRequiredBy=drop.target\n",
  [`${UNITS}/a.socket`]: "[Socket]\nWantedBy=not.this\n[Install]\nWantedBy=sockets.target\nAlso=a.service\n",
  [`${UNITS}/t@.service`]: "[Install]\nWantedBy=%i.target\nDefaultInstance=one\n",
  [`${UNITS}/n@.service`]: "[Install]\nWantedBy=x.target\n",
  [`${UNITS}/reset.service`]: "[Install]\nWantedBy=x.target\nWantedBy=\nUpheldBy=y.target\n",
};
const ETC = "/etc/systemd/system";

function enabled(unit: string): Record<string, string> {
  const tree = treeFixture(files);
  const editor = new TreeEditor(tree, { origin: { kind: "finisher", name: "test" }, mtimeSec: 0 });
  enableUnit(editor, unit);
  return Object.fromEntries(Object.entries(dumpTree(tree)).filter(([path]) => path.startsWith("/etc")));
}

describe("enableUnit", () => {
  it.each([
    [
      "a.service",
      {
        [`${ETC}/alias.service`]: `symlink ${UNITS}/a.service`,
        [`${ETC}/drop.target.requires/a.service`]: `symlink ${UNITS}/a.service`,
        [`${ETC}/multi-user.target.wants/a.service`]: `symlink ${UNITS}/a.service`,
        [`${ETC}/other.target.wants/a.service`]: `symlink ${UNITS}/a.service`,
        [`${ETC}/sockets.target.wants/a.socket`]: `symlink ${UNITS}/a.socket`,
      },
    ],
    ["t@.service", { [`${ETC}/one.target.wants/t@one.service`]: `symlink ${UNITS}/t@.service` }],
    ["t@two.service", { [`${ETC}/two.target.wants/t@two.service`]: `symlink ${UNITS}/t@.service` }],
    ["n@.service", {}],
    ["reset.service", { [`${ETC}/y.target.upholds/reset.service`]: `symlink ${UNITS}/reset.service` }],
    ["missing.service", {}],
  ])("%s", (unit, links) => {
    expect(enabled(unit)).toEqual(links);
  });
});

describe("unit names", () => {
  it.each([
    ["getty@tty1.service", "getty@.service"],
    ["a@b.c.service", "a@.service"],
    ["getty@.service", undefined],
    ["a.service", undefined],
  ])("%s is of %s", (name, template) => {
    expect(templateOf(name)).toBe(template);
  });
});

describe("presets", () => {
  it("takes the first rule that matches, files by name, /etc before /usr", () => {
    const tree = treeFixture({
      "/usr/lib/systemd/system-preset/90-x.preset": "# c\nenable a*.service\ndisable *\n",
      "/usr/lib/systemd/system-preset/50-y.preset": "disable abc.service\nenable t@.service one two\n",
      "/etc/systemd/system-preset/50-y.preset": "ignore abd.service\nenable t@.service one two\n",
    });
    const decide = readPresets(tree, "system");
    expect(["abc.service", "abd.service", "z.service"].map((unit) => decide(unit).action)).toEqual([
      "enable",
      "ignore",
      "disable",
    ]);
    expect(decide("t@.service").instances).toEqual(["one", "two"]);
    expect(readPresets(treeFixture({}), "system")("x.service").action).toBe("enable");
  });
});

describe("unit-enablement", () => {
  const finish = (input: Parameters<typeof contextFixture>[0], more: Record<string, string> = {}) => {
    const tree = treeFixture({ ...files, ...more });
    void unitEnablementFinisher.finish(tree, contextFixture(input));
    return Object.fromEntries(Object.entries(dumpTree(tree)).filter(([path]) => path.startsWith(ETC)));
  };

  it("does as Debian does on a first installation: what deb-systemd-helper enables, if presets allow", () => {
    const postinst = {
      a: "if deb-systemd-helper --quiet was-enabled a.socket; then deb-systemd-helper enable a.socket; fi",
      t: "deb-systemd-helper enable t@.service",
      p: "systemctl enable reset.service",
    };
    const preset = {
      "/usr/lib/systemd/system-preset/1.preset": "disable a.*\nenable t@.service x\ndisable reset.service\n",
    };
    expect(finish({ postinst }, preset)).toEqual({
      [`${ETC}/default.target`]: `symlink ${UNITS}/multi-user.target`,
      [`${ETC}/x.target.wants/t@x.service`]: `symlink ${UNITS}/t@.service`,
      [`${ETC}/y.target.upholds/reset.service`]: `symlink ${UNITS}/reset.service`,
    });
  });

  it("obeys the profile: enable, mask, default target", () => {
    const content = {
      enableUnits: ["t@.service"],
      maskUnits: ["a.service", "gone.service"],
      defaultTarget: "multi-user.target",
    };
    expect(finish({ content })).toEqual({
      [`${ETC}/a.service`]: "symlink /dev/null",
      [`${ETC}/default.target`]: `symlink ${UNITS}/multi-user.target`,
      [`${ETC}/gone.service`]: "symlink /dev/null",
      [`${ETC}/one.target.wants/t@one.service`]: `symlink ${UNITS}/t@.service`,
    });
  });

  it("names the unit that is not there, and what it may have meant", () => {
    expect(() => finish({ content: { enableUnits: ["a.servic"] } })).toThrow(
      'cannot apply Enable= "a.servic": expected a unit of that name',
    );
    expect(() => finish({ content: { defaultTarget: "x.target" } })).toThrow('cannot apply DefaultTarget= "x.target"');
  });

  it("does not enable what is masked", () => {
    const tree = treeFixture({ ...files, [`${ETC}/a.socket`]: "-> /dev/null" });
    expect(isMasked(tree, "a.socket")).toBe(true);
    void unitEnablementFinisher.finish(tree, contextFixture({ postinst: { a: "deb-systemd-helper enable a.socket" } }));
    expect(tree.has(`${ETC}/sockets.target.wants/a.socket`)).toBe(false);
  });

  it.each(["sysext", "confext", "portable"] as const)("leaves units of a %s to the system that it joins", (format) => {
    const { output } = profileFixture();
    const finishPart = (content: { enableUnits?: string[]; maskUnits?: string[] } = {}) => {
      const tree = treeFixture({ [`${UNITS}/a.service`]: "[Install]\nWantedBy=multi-user.target\n" });
      const postinst = { a: "systemctl enable a.service" };
      void unitEnablementFinisher.finish(
        tree,
        contextFixture({ postinst, content, profile: { output: { ...output, format } } }),
      );
      return Object.keys(dumpTree(tree));
    };
    expect(finishPart()).toEqual([`${UNITS}/a.service`]);
    expect(() => finishPart({ enableUnits: ["a.service"] })).toThrow('cannot apply Enable= "a.service"');
    expect(() => finishPart({ maskUnits: ["a.service"] })).toThrow(
      `cannot apply Mask= "a.service": expected no such setting with Format=${format}`,
    );
  });
});
