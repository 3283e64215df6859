import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TarInput } from "@cvm-build/fs-writer";
import { afterAll, expect, test } from "vitest";
import { CacheFixture } from "../cache.fixture.ts";
import { type DebInput, writeDeb } from "../deb.fixture.ts";
import { type DebFile, readCopyrightFiles } from "./copyright-files.ts";

const folder = mkdtempSync(join(tmpdir(), "cvm-build-copyright-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function deb(input: DebInput): DebFile {
  const { locked, path } = writeDeb(folder, input);
  return { name: locked.name, path, sha256: locked.sha256 };
}

function link(path: string, linkname: string): TarInput {
  return { name: `.${path}`, type: "symlink", linkname };
}

async function read(inputs: DebInput[]): Promise<(string | undefined)[]> {
  using cache = new CacheFixture(folder);
  return (await readCopyrightFiles(inputs.map(deb), { cache, workers: 1 })).map((bytes) => bytes?.toString());
}

test("finds a package's own file, and follows its folder to the package that has it", async () => {
  const found = await read([
    { name: "libgcc-s1", entries: [link("/usr/share/doc/libgcc-s1", "gcc-14-base")] },
    { name: "gcc-14-base", files: { "/usr/share/doc/gcc-14-base/copyright": "GCC" } },
    { name: "kmod", entries: [link("/usr/share/doc/kmod/copyright", "../gcc-14-base/copyright")] },
    { name: "meta" },
    { name: "lost", entries: [link("/usr/share/doc/lost", "nowhere")] },
    { name: "loop", entries: [link("/usr/share/doc/loop", "loop")] },
  ]);
  expect(found).toEqual(["GCC", "GCC", "GCC", undefined, undefined, undefined]);
});

test("a package does not replace another's file, nor reach out of the documentation", async () => {
  const found = await read([
    { name: "a", files: { "/usr/share/doc/a/copyright": "A" } },
    { name: "b", files: { "/usr/share/doc/a/copyright": "B", "/etc/copyright": "C" } },
    { name: "c", entries: [link("/usr/share/doc/c/copyright", "/etc/copyright")] },
  ]);
  expect(found).toEqual(["A", undefined, undefined]);
});

test("payloads are decoded once", async () => {
  using cache = new CacheFixture(folder);
  const debs = [deb({ name: "d", files: { "/usr/share/doc/d/copyright": "D" } })];
  for (let run = 0; run < 2; run++) await readCopyrightFiles(debs, { cache, workers: 1 });
  expect(cache.commits).toBe(1);
});
