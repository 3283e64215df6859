import { readContent } from "@cvm-build/fs-writer";
import { expect, it } from "vitest";
import { treeOf } from "../lint/subject.fixture.ts";
import { onlyUsr } from "./usr-tree.ts";

const UNITS = "/usr/lib/systemd/system";
const FILES = {
  "/bin": "-> usr/bin",
  "/etc/passwd": "root\n",
  "/etc/systemd/journald.conf": "",
  "/etc/systemd/system/default.target": `-> ${UNITS}/multi-user.target`,
  "/etc/systemd/system/a.service": `-> ${UNITS}/a.service`,
  "/etc/systemd/system/b.service": "-> /dev/null",
  "/etc/systemd/system/c.service.d/own.conf": "[Service]\n",
  "/etc/systemd/system/multi-user.target.wants/a.service": `-> ${UNITS}/a.service`,
  "/usr/bin/true": "elf",
  [`${UNITS}/a.service`]: "[Service]\n",
  [`${UNITS}/b.service`]: "[Service]\n",
  [`${UNITS}/c.service.d/vendor.conf`]: "[Service]\n",
  [`${UNITS}/default.target`]: "-> graphical.target",
};

it("keeps of a tree /usr, and what the system starts", () => {
  const { content, running, leftOut } = onlyUsr(treeOf(FILES), { mtimeSec: 1 });
  const linkTo = (path: string) => {
    const node = running.get(path);
    return node?.kind === "symlink" ? node.target : node?.kind;
  };
  expect(linkTo(`${UNITS}/default.target`)).toBe(`${UNITS}/multi-user.target`);
  expect(linkTo(`${UNITS}/a.service`)).toBe("file");
  expect(linkTo(`${UNITS}/b.service`)).toBe("/dev/null");
  expect(linkTo(`${UNITS}/multi-user.target.wants/a.service`)).toBe(`${UNITS}/a.service`);
  expect(running.list(`${UNITS}/c.service.d`)).toEqual(["own.conf", "vendor.conf"]);
  expect(running.list("/")).toEqual(["bin", "usr"]);
  expect(leftOut).toEqual(["/etc/passwd", "/etc/systemd/journald.conf"]);
  expect([...running.entries("/usr")].map(([path]) => path.slice("/usr".length) || "/")).toEqual(
    [...content.entries()].map(([path]) => path),
  );
});

it("has systemd's first boot enable nothing", () => {
  const { content } = onlyUsr(treeOf(FILES), { mtimeSec: 1 });
  const preset = content.get("/lib/systemd/system-preset/00-cvm.preset");
  expect(preset?.kind === "file" && readContent(preset.content).toString()).toMatch(/^disable \*$/m);
  const bare = onlyUsr(treeOf({ "/usr/bin/true": "elf" }), { mtimeSec: 1 });
  expect(bare.content.has("/lib")).toBe(false);
});

it("refuses a tree without", () => {
  expect(() => onlyUsr(treeOf({ "/etc/passwd": "" }), { mtimeSec: 1 })).toThrow('cannot make a disk of "/usr"');
});
