import { createHash } from "node:crypto";
import { chmodSync, chownSync, cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type CliOptions, cvmBuild, cvmBuildJson, REPOSITORY } from "../support/cli.ts";

/** `nobody` on Debian. */
const OTHER_USER = 65534;
const isRoot = process.getuid?.() === 0;

const UKI_FILES = ["cvm.lock", "image.cmdline", "image.efi", "image.initrd", "image.vmlinuz"];
const REPORTS = ["lint.json", "manifest.json", "measurements.json"];

describe.each([
  { what: "a UKI", profiles: ["minimal"], settings: [], files: UKI_FILES },
  {
    what: "a disk in every format",
    profiles: ["minimal", "disk"],
    settings: ["Output.DiskFormat=qcow2 vhd gcp", "Disk.Compression=zstd"],
    files: [...UKI_FILES, "image.gpt", "image.qcow2", "image.tar.gz", "image.vhd"],
  },
])("two builds of the lock of $what", ({ profiles, settings, files }) => {
  const selection = profiles.flatMap((name) => ["--profile", name]);
  let scratch: string;
  let lock: string;
  let reference: Record<string, string>;

  beforeAll(async () => {
    scratch = mkdtempSync(join(tmpdir(), "cvm-reproducible-"));
    chmodSync(scratch, 0o755);
    lock = join(scratch, "image.lock");
    await cvmBuildJson(["lock", ...selection, "--output", lock]);
    reference = await buildIn(folder("reference"), { store: folder("cold-store"), umask: "022" });
  });

  afterAll(() => rmSync(scratch, { recursive: true, force: true }));

  it("leaves every file that an image has", () => {
    expect(Object.keys(reference)).toEqual([...files, ...REPORTS].sort());
  });

  it("gives identical bytes from a warm store, under another umask, time zone and language", async () => {
    const environment = { TZ: "Pacific/Kiritimati", LANG: "tr_TR.UTF-8", LC_ALL: "tr_TR.UTF-8" };
    const again = await buildIn(folder("warm"), { store: join(scratch, "cold-store"), umask: "077", environment });
    expect(again).toEqual(reference);
  });

  it("gives identical bytes with one worker and with five", async () => {
    expect(await buildIn(folder("one"), { store: folder("store-1"), args: ["--jobs", "1"] })).toEqual(reference);
    expect(await buildIn(folder("five"), { store: folder("store-5"), args: ["--jobs", "5"] })).toEqual(reference);
  });

  it.skipIf(!isRoot)(
    "gives identical bytes for another user, whose profiles were checked out under another umask",
    async () => {
      const profiles = folder("checkout");
      cpSync(join(REPOSITORY, "profiles"), join(profiles, "profiles"), { recursive: true, verbatimSymlinks: true });
      restrict(profiles);
      const userStore = folder("user-store");
      const output = folder("user-output");
      for (const path of [userStore, output]) chownSync(path, OTHER_USER, OTHER_USER);
      const environment = { HOME: userStore };
      const theirs = await buildIn(output, {
        store: userStore,
        userId: OTHER_USER,
        umask: "027",
        environment,
        cwd: profiles,
      });
      expect(theirs).toEqual(reference);
    },
  );

  function folder(name: string): string {
    const path = join(scratch, name);
    mkdirSync(path);
    return path;
  }

  async function buildIn(output: string, options: CliOptions & { args?: string[] }): Promise<Record<string, string>> {
    const { exitCode, stderr } = await cvmBuild(
      [
        ...["build", ...selection, "--lock", lock, "--quiet"],
        ...[...settings, "Output.ImageId=image", `Output.OutputDirectory=${output}`].flatMap((each) => ["--set", each]),
        ...(options.args ?? []),
      ],
      options,
    );
    expect(stderr).toBe("");
    expect(exitCode).toBe(0);
    const image = join(output, "image");
    const names = readdirSync(image).sort();
    return Object.fromEntries(names.map((name) => [name, sha256(readFileSync(join(image, name)))]));
  }

  /** Gives a checkout to the other user, as a umask of 077 would have made it. */
  function restrict(path: string): void {
    for (const entry of readdirSync(path, { recursive: true, withFileTypes: true })) {
      const full = join(entry.parentPath, entry.name);
      if (entry.isSymbolicLink()) continue;
      chownSync(full, OTHER_USER, OTHER_USER);
      chmodSync(full, entry.isDirectory() ? 0o700 : 0o600);
    }
    chownSync(path, OTHER_USER, OTHER_USER);
  }
});

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}
