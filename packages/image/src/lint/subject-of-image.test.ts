import { type ByteSource, bytesSource } from "@cvm-build/bytes";
import { encodeCpio, layOutCpio } from "@cvm-build/fs-writer";
import type { Uki } from "@cvm-build/uki";
import { describe, expect, it } from "vitest";
import { treeOf } from "./subject.fixture.ts";
import { subjectOfInitrd, subjectOfUki, treeOfUki } from "./subject-of-image.ts";

type Contents = Record<string, string | Uint8Array | ByteSource>;

const ARCHIVE = Buffer.concat([
  ...encodeCpio(layOutCpio(treeOf({ "/etc/fstab": "x\n" }).entries(), { mtimeClampSec: 0 })),
]);
const XZ = Buffer.from("fd377a585a000004e6d6b446", "hex");

/** What is read of a UKI with these sections, and with these in its profiles. */
function ukiOf(base: Contents, ...profiles: Contents[]): Uki {
  const sections = (contents: Contents) =>
    new Map(Object.entries(contents).map(([name, content]) => [name, { name, content: sourceOf(content) }]));
  return { base: sections(base), profiles: profiles.map(sections) } as unknown as Uki;
}

function sourceOf(content: Contents[string]): ByteSource {
  if (typeof content === "object" && "read" in content) return content;
  return bytesSource(Buffer.from(content));
}

describe("subjectOfUki", () => {
  it("reads the command line of each way to boot, up to its end", () => {
    const uki = ukiOf({ ".cmdline": 'quiet  a="b c"\n\0rd.break' }, {}, { ".cmdline": "single" });
    const { hasCommandLine, commandLines } = subjectOfUki(uki);
    expect(hasCommandLine).toBe(true);
    expect(commandLines).toEqual([["quiet", 'a="b c"'], ["single"]]);
  });

  it("finds none where there is none", () => {
    expect(subjectOfUki(ukiOf({}))).toMatchObject({ hasCommandLine: false, commandLines: [[]] });
  });
});

describe("subjectOfInitrd", () => {
  it.each<[string, Record<string, string>]>([
    ["systemd's", { "/etc/initrd-release": "-> ../usr/lib/initrd-release", "/usr/lib/initrd-release": "" }],
    ["busybox's", { "/init": '#!/bin/sh\nexec switch_root "$root" "$init"\n' }],
    ["initramfs-tools'", { "/init": "#!/bin/sh\nexec run-init /root /sbin/init\n" }],
  ])("says that the system is elsewhere where the initrd is one of %s", (_, files) => {
    const tree = treeOf(files);
    expect(subjectOfInitrd({ tree })).toEqual({ initrd: tree, unknown: { tree: expect.any(String) as unknown } });
  });

  it.each<Record<string, string>>([{ "/init": "#!/bin/sh\nexec /bin/service\n" }, { "/init": "-> sbin/init" }, {}])(
    "takes an initrd for the system otherwise: %j",
    (files) => {
      const tree = treeOf(files);
      expect(subjectOfInitrd({ tree })).toEqual({ tree, unknown: {} });
    },
  );

  it("hands on why an initrd was not read", () => {
    expect(subjectOfInitrd({ problem: "it is of lead" })).toEqual({ unknown: { tree: "it is of lead" } });
  });
});

describe("treeOfUki", () => {
  it("unpacks an initrd", () => {
    const found = treeOfUki(ukiOf({ ".initrd": ARCHIVE }));
    expect("tree" in found && found.tree.has("/etc/fstab")).toBe(true);
  });

  it.each<[string, Contents, string]>([
    ["is none", {}, "the image has no initrd"],
    ["is compressed with xz", { ".initrd": XZ }, "got xz"],
    ["is cut off", { ".initrd": ARCHIVE.subarray(0, 150) }, "its initrd cannot be read"],
  ])("says so where it %s", (_, sections, problem) => {
    expect(treeOfUki(ukiOf(sections))).toEqual({ problem: expect.stringContaining(problem) as unknown });
  });

  it("does not read what is larger than any initrd", () => {
    const huge: ByteSource = {
      sizeBytes: 2 ** 31,
      read() {
        throw new Error("it was read");
      },
    };
    expect(treeOfUki(ukiOf({ ".initrd": huge }))).toEqual({ problem: "its initrd is too large" });
  });
});
