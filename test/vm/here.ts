import { findTools, type Host, probeHost, VmError, type VmTools } from "@cvm-build/vm";

/** What this machine boots with. */
export interface Here {
  tools: VmTools;
  host: Host;
}

/** Finds what a boot needs; undefined where it is missing and a test may skip. Under CI its absence is thrown. */
export async function findHere(temporaryDirectory: string): Promise<Here | undefined> {
  try {
    const tools = await findTools({ searchPath: process.env["PATH"] ?? "" });
    return { tools, host: await probeHost(tools, { temporaryDirectory }) };
  } catch (error) {
    if (process.env["CI"] || !(error instanceof VmError) || error.code !== "missing-tool") throw error;
    return undefined;
  }
}
