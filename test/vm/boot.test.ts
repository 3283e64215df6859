import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, afterEach, describe, expect, it } from "vitest";
import { boot, collectEvidence, type EndCondition } from "@cvm-build/vm";
import { findHere } from "./here.ts";
import { makeTestImage, READY } from "./test-image.ts";

const folder = mkdtempSync(join(tmpdir(), "cvm-vm-boot-"));
const temporaryDirectory = join(folder, "scratch");
mkdirSync(temporaryDirectory);
const here = await findHere(temporaryDirectory);
const poweroff = here && makeTestImage(folder, "poweroff");
const shell = here && makeTestImage(folder, "shell");

afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe.skipIf(!here || !poweroff || !shell)("a boot", () => {
  const machine = { ...here!, memoryMiB: 1024, cpus: 1, network: "none" as const, temporaryDirectory };

  afterEach(() => expect(readdirSync(temporaryDirectory)).toEqual([]));

  it("leaves registers and a log that are what the guest itself saw, the same each time", async () => {
    const request = { ...machine, imagePath: poweroff!, timeoutSec: 150 };
    const evidence = await collectEvidence({ ...request, until: [{ kind: "power-off" }] });
    const guest = guestRegisters(evidence.serial);
    expect(Object.keys(guest)).toEqual(["sha1", "sha256", "sha384", "sha512"]);
    expect(evidence.pcrs).toEqual(guest);
    const logSha256 = createHash("sha256").update(evidence.eventLog).digest("hex");
    expect(evidence.serial).toContain(`log=${logSha256}`);
    // Linux's IMA is the only one that extends after the firmware: PCR 10.
    expect(evidence.extendedAfterLog).toEqual([10]);
    expect(evidence.machine).toMatchObject({ memoryMiB: 1024, cpus: 1, accelerator: here?.host.accelerator });

    // The same boot, now known by its registers to have arrived.
    const values = Object.fromEntries([4, 9, 10].map((index) => [index, evidence.pcrs.sha384?.[index] ?? ""]));
    const arrived: EndCondition = { kind: "registers-equal", bank: "sha384", values, forSec: 1 };
    const again = await collectEvidence({ ...request, until: [arrived] });
    expect(again.endedBy).toEqual(arrived);
    expect(again.pcrs).toEqual(evidence.pcrs);
    expect(again.eventLog.equals(evidence.eventLog)).toBe(true);
  });

  it("can be talked to over the serial port, is seen to panic, and ends when disposed of", async () => {
    await using running = await boot({ ...machine, imagePath: shell!, serial: "piped", network: { forwards: [] } });
    await running.waitForSerial(READY, { timeoutSec: 150 });
    running.type("echo $((6*7)) of $(ls /sys/bus/pci/devices | wc -l)\n");
    // Host bridge, TPM's ISA bridge, disk and network card among them: the guest has its hardware.
    await running.waitForSerial("42 of ", { timeoutSec: 60 });
    running.type("echo c > /proc/sysrq-trigger\n");
    await expect(running.waitForSerial("never", { timeoutSec: 60 })).rejects.toMatchObject({
      code: "boot-failed",
      message: expect.stringContaining("Kernel panic - not syncing: sysrq triggered crash") as string,
    });
  });

  it("of something that is no image fails, and says that the firmware found nothing", async () => {
    const imagePath = join(folder, "not-an-image.efi");
    writeFileSync(imagePath, "MZ and then nothing of use");
    await expect(
      collectEvidence({ ...machine, imagePath, until: [{ kind: "power-off" }], timeoutSec: 100 }),
    ).rejects.toMatchObject({ code: "boot-failed", message: expect.stringContaining("firmware") as string });
  });

  it("that takes too long, is stopped, or has no image to boot leaves nothing behind", async () => {
    const request = { ...machine, imagePath: shell!, until: [{ kind: "power-off" as const }] };
    await expect(collectEvidence({ ...request, timeoutSec: 2 })).rejects.toMatchObject({ code: "boot-timeout" });
    const reason = new Error("the user has changed their mind");
    const stop = new AbortController();
    const stopped = collectEvidence({ ...request, timeoutSec: 100, signal: stop.signal });
    void sleep(1500).then(() => stop.abort(reason));
    await expect(stopped).rejects.toBe(reason);
    await expect(collectEvidence({ ...request, imagePath: "/nonexistent", timeoutSec: 2 })).rejects.toMatchObject({
      code: "image",
    });
    const hostPort = 1;
    const forwards = [1, 2].map((guestPort) => ({ hostPort, guestPort }));
    await expect(boot({ ...machine, imagePath: shell!, serial: "piped", network: { forwards } })).rejects.toMatchObject(
      {
        code: "boot-failed",
        hint: expect.stringContaining("port") as string,
      },
    );
  });
});

/** Registers as the guest's kernel has printed them. */
function guestRegisters(serial: string): Record<string, Record<string, string>> {
  const registers: Record<string, Record<string, string>> = {};
  for (const [, bank = "", index = "", value = ""] of serial.matchAll(/pcr-(sha\d+)\/(\d+)=([0-9A-F]+)/g)) {
    (registers[bank] ??= {})[index] = value.toLowerCase();
  }
  return registers;
}
