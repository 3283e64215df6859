import { expect, it } from "vitest";
import { openPluginKey } from "./plugin.ts";

it("says what to do where a package is not installed", async () => {
  const options = { directory: "/", environment: {} };
  await expect(openPluginKey("@cvm-build/signer-none", { reference: "nonekms:db", options })).rejects.toMatchObject({
    code: "signer",
    message: 'cannot use key "nonekms:db": expected the optional package "@cvm-build/signer-none", got none',
    hint: "pnpm install, without --no-optional, in the folder of cvm-build",
  });
});
