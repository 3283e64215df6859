import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { findTools } from "./tools.ts";

const folder = mkdtempSync(join(tmpdir(), "cvm-vm-tools-"));
afterAll(() => rmSync(folder, { recursive: true }));

function put(name: string, mode = 0o644): string {
  const path = join(folder, name);
  writeFileSync(path, "");
  chmodSync(path, mode);
  return path;
}

const qemu = put("qemu-system-x86_64", 0o755);
const swtpm = put("swtpm", 0o755);
const firmware = { codePath: put("CODE.fd"), varsPath: put("VARS.fd") };
const searchPath = `/nonexistent:${folder}`;
const nowhere = { codePath: "/nonexistent/CODE.fd", varsPath: "/nonexistent/VARS.fd" };

describe("findTools", () => {
  it("takes the first place that has every file", async () => {
    const halfThere = { codePath: firmware.codePath, varsPath: "/nonexistent/VARS.fd" };
    const tools = await findTools({ searchPath, firmwarePlaces: [nowhere, halfThere, firmware] });
    expect(tools).toEqual({ qemu, swtpm, firmware });
  });

  it("prefers what the user named", async () => {
    const named = put("my-qemu", 0o755);
    const single = { codePath: put("OVMF.fd") };
    const overrides = { qemu: named, firmware: single };
    expect(await findTools({ searchPath, overrides, firmwarePlaces: [firmware] })).toEqual({
      qemu: named,
      swtpm,
      firmware: single,
    });
  });

  it("names everything that is missing at once, and the packages that have it", async () => {
    await expect(findTools({ searchPath: "/nonexistent", firmwarePlaces: [nowhere] })).rejects.toMatchObject({
      code: "missing-tool",
      message:
        "cannot boot an image here: expected qemu-system-x86_64, swtpm and OVMF, got no qemu-system-x86_64, no OVMF firmware, no swtpm",
      hint: "on Debian and Ubuntu: apt-get install qemu-system-x86 ovmf swtpm",
    });
  });

  it("names only what is missing", async () => {
    const overrides = { swtpm: "/nonexistent/swtpm" };
    await expect(findTools({ searchPath, overrides, firmwarePlaces: [firmware] })).rejects.toMatchObject({
      message: expect.stringMatching(/got no \/nonexistent\/swtpm$/) as string,
      hint: "on Debian and Ubuntu: apt-get install swtpm",
    });
  });

  it("does not take a program that cannot be executed", async () => {
    put("not-executable");
    const overrides = { qemu: "not-executable" };
    await expect(findTools({ searchPath, overrides, firmwarePlaces: [firmware] })).rejects.toThrow("not-executable");
  });
});
