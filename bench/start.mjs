// Starts a module as `cvm-build` starts its own: compiled code is kept between runs, and with it no type stripper is loaded.
import { enableCompileCache } from "node:module";
import { pathToFileURL } from "node:url";

enableCompileCache();
const [, module] = process.argv.splice(1, 2, process.argv[2]);
await import(pathToFileURL(module).href);
