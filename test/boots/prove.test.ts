import { readFileSync, rmSync, writeFileSync, mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { BuildReport, Proof } from "@cvm-build/image";
import { afterAll, describe, expect, it } from "vitest";
import { cvmBuild, cvmBuildJson } from "../support/cli.ts";
import { requirePeers } from "../support/peers.ts";

const BANKS = ["sha1", "sha256", "sha384", "sha512"];

describe.skipIf(!requirePeers("qemu-system-x86_64", "swtpm"))("prove", () => {
  const scratch = mkdtempSync(join(tmpdir(), "cvm-prove-"));
  afterAll(() => rmSync(scratch, { recursive: true, force: true }));

  it.each([
    ["minimal, stub 257 of trixie", ["minimal"], [], "257."],
    ["minimal, stub 252 of bookworm", ["minimal"], ["UKI.StubRelease=bookworm"], "252."],
    ["the development image, through systemd's boot phases", ["reth-node", "dev"], [], "257."],
  ])("%s: predicted registers are the real ones, event by event", async (_, profiles, settings, stubVersion) => {
    const args = [
      ...["build", "--prove", "--timeout", "240"],
      ...profiles.flatMap((name) => ["--profile", name]),
      ...[...settings, `Output.OutputDirectory=${scratch}`].flatMap((setting) => ["--set", setting]),
    ];
    const { build, proof } = await cvmBuildJson<{ build: BuildReport; proof: Proof }>(args);
    expect(build.manifest.stub?.version).toMatch(new RegExp(`^${stubVersion}`));
    expect(proof.agrees).toBe(true);
    expect(proof.registers.map(({ register }) => register)).toEqual(
      [0, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 14].map((pcr) => `pcr${pcr}`),
    );
    for (const { comparedBanks, events, differingBanks } of proof.registers) {
      expect(comparedBanks).toEqual(BANKS);
      expect(differingBanks).toEqual([]);
      expect(events.every(({ equal }) => equal)).toBe(true);
    }
    // Firmware: action, separator, UKI, kernel. Kernel: command line, initrd. Stub: a name and a content each section.
    const logged = Object.fromEntries(proof.registers.map(({ register, events }) => [register, events.length]));
    expect(logged).toMatchObject({ pcr4: 4, pcr9: 2, pcr12: 0, pcr13: 0 });
    expect(logged["pcr11"]).toBeGreaterThanOrEqual(8);
  });

  it("ends with 4 and names the first differing event where the published registers are wrong", async () => {
    const image = join(scratch, "minimal");
    const path = join(image, "measurements.json");
    writeFileSync(path, spoilEventsOf(readFileSync(path, "utf8"), ".cmdline"));
    const { exitCode, stdout } = await cvmBuild(["prove", image, "--no-color", "--timeout", "240"]);
    expect(exitCode).toBe(4);
    expect(stdout).toMatch(/PCR 11\s+.*differs/);
    expect(stdout).toMatch(/→\s+EV_IPL \.cmdline/);
    expect(stdout).toContain("not proved");
  });
});

/** A document in which the events of one section have other digests, and PCR 11 another value. */
function spoilEventsOf(published: string, section: string): string {
  const document = JSON.parse(published) as {
    platforms: {
      registers: { pcr: Record<string, Record<string, string>> };
      events: { label: string; digests: Record<string, string> }[];
    }[];
  };
  for (const { registers, events } of document.platforms) {
    for (const values of Object.values(registers.pcr)) values["11"] = reverse(values["11"] ?? "");
    for (const event of events.filter(({ label }) => label.startsWith(section))) {
      for (const [bank, digest] of Object.entries(event.digests)) event.digests[bank] = reverse(digest);
    }
  }
  return JSON.stringify(document);
}

function reverse(text: string): string {
  return [...text].reverse().join("");
}
