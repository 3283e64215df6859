// What `cvm-build` starts. JavaScript, since the first TypeScript file loads the type stripper, which takes longer than Node
// itself does to start; compiled code is kept between runs, with which none is needed. Imports of our own follow that.
import { enableCompileCache } from "node:module";

enableCompileCache();
// Whoever reads the output may stop reading: `cvm-build summary | head`.
process.stdout.on("error", (error) => {
  if (error.code !== "EPIPE") throw error;
  process.exit();
});
const { run } = await import("./run.ts");
process.exitCode = await run(process.argv.slice(2));
