import { bootImage, type Surroundings } from "@cvm-build/image";
import { CvmError } from "@cvm-build/bytes";
import type { Command, Flags, Outcome } from "../command.ts";
import { isSet, profileFlags, texts } from "../flags.ts";
import { choiceOf, machineFlags, machineOf } from "./prove.ts";

/** `cvm-build boot`: an image in a virtual machine, its serial line on this terminal. */
export const boot: Command = {
  name: "boot [image]",
  summary: "Boot an image under QEMU with its serial line on this terminal (Ctrl-A X ends it)",
  examples: [
    ["$0 boot --profile minimal", "the image that the profile built last"],
    ["$0 boot build/reth-node-dev-anvil --forward 8545", "with JSON-RPC reachable on 127.0.0.1:8545"],
  ],
  flags: (parser) =>
    machineFlags(profileFlags(parser))
      .positional("image", { type: "string", describe: "An output directory or a UKI" })
      .option("forward", {
        type: "string",
        array: true,
        nargs: 1,
        describe: "A TCP port of the guest to open on 127.0.0.1: [HOST:]GUEST",
        default: [],
      }),
  async run(flags: Flags, surroundings: Surroundings): Promise<Outcome> {
    const report = await bootImage(
      {
        choice: choiceOf(flags),
        machine: machineOf(flags),
        forwards: texts(flags, "forward").map(forwardOf),
        serialOn: isSet(flags, "json") ? "stderr" : "stdout",
      },
      surroundings,
    );
    return { json: report, text: () => "", exitCode: 0 };
  },
};

function forwardOf(text: string): { hostPort: number; guestPort: number } {
  const [hostPort = Number.NaN, guestPort = hostPort] = text.split(":").map(Number);
  const ports = { hostPort, guestPort };
  const valid = Object.values(ports).every((port) => Number.isInteger(port) && port > 0 && port < 65536);
  if (valid && text.split(":").length <= 2) return ports;
  throw new CvmError(
    "usage",
    `cannot read flag "--forward": expected [HOST:]GUEST port numbers, got ${JSON.stringify(text)}`,
  );
}
