import { enableCompileCache } from "node:module";

// Compiled code is kept between runs. Imports of our own follow it, not precede it.
enableCompileCache();
// Whoever reads the output may stop reading: `cvm-build summary | head`.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE") throw error;
  process.exit();
});
const { run } = await import("./run.ts");
process.exitCode = await run(process.argv.slice(2));
