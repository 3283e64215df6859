import { execFileSync, spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";

/** A software TPM that is spoken to with tpm2-tools. It ends when disposed of. */
export class SoftwareTpm implements AsyncDisposable {
  /** Where its programs leave their files. */
  readonly folder: string;
  readonly #swtpm: ReturnType<typeof spawn>;

  private constructor(folder: string, swtpm: ReturnType<typeof spawn>) {
    this.folder = folder;
    this.#swtpm = swtpm;
  }

  /** Starts one, on sockets of its own folder. Needs swtpm and tpm2-tools. */
  static async start(): Promise<SoftwareTpm> {
    const folder = mkdtempSync(join(tmpdir(), "cvm-tpm-"));
    const socket = join(folder, "tpm");
    const args = [
      ...["socket", "--tpm2", "--tpmstate", `dir=${folder}`, "--flags", "not-need-init,startup-clear"],
      ...["--server", `type=unixio,path=${socket}`, "--ctrl", `type=unixio,path=${socket}.ctrl`],
    ];
    const tpm = new SoftwareTpm(folder, spawn("swtpm", args, { stdio: "ignore" }));
    while (!existsSync(`${socket}.ctrl`)) {
      if (tpm.#swtpm.exitCode !== null) throw new Error(`swtpm ended with ${tpm.#swtpm.exitCode}`);
      await setTimeout(20);
    }
    return tpm;
  }

  /** Runs one of tpm2-tools in the TPM's folder. */
  run(program: string, ...args: string[]): string {
    const environment = { ...process.env, TPM2TOOLS_TCTI: `swtpm:path=${join(this.folder, "tpm")}` };
    return execFileSync(program, args, { cwd: this.folder, env: environment, encoding: "utf8" });
  }

  /** Makes a key that signs quotes: `ak.ctx`. */
  makeAttestationKey(): void {
    const attributes = "fixedtpm|fixedparent|sensitivedataorigin|userwithauth|restricted|sign";
    this.run("tpm2_createprimary", "-Q", "-C", "e", "-c", "primary.ctx");
    const key = ["-u", "ak.pub", "-r", "ak.priv", "-c", "ak.ctx"];
    this.run("tpm2_create", "-Q", "-C", "primary.ctx", ...key, "-G", "ecc:ecdsa-sha256:null", "-a", attributes);
    this.run("tpm2_flushcontext", "-t");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const ended = new Promise((resolve) => this.#swtpm.once("exit", resolve));
    this.#swtpm.kill();
    await ended;
    rmSync(this.folder, { recursive: true, force: true });
  }
}
