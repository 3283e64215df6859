import type { Command } from "./command.ts";
import { boot } from "./commands/boot.ts";
import { build } from "./commands/build.ts";
import { cache } from "./commands/cache.ts";
import { diff } from "./commands/diff.ts";
import { explain } from "./commands/explain.ts";
import { extract } from "./commands/extract.ts";
import { inspect } from "./commands/inspect.ts";
import { keys } from "./commands/keys.ts";
import { lint } from "./commands/lint.ts";
import { lock } from "./commands/lock.ts";
import { measure } from "./commands/measure.ts";
import { predict } from "./commands/predict.ts";
import { prove } from "./commands/prove.ts";
import { release } from "./commands/release.ts";
import { replay } from "./commands/replay.ts";
import { sign } from "./commands/sign.ts";
import { summary } from "./commands/summary.ts";
import { verify } from "./commands/verify.ts";
import { verifyLog } from "./commands/verify-log.ts";
import { verifyQuote } from "./commands/verify-quote.ts";
import { verifyRelease } from "./commands/verify-release.ts";

/** Every verb, in the order that `--help` lists them. */
export const COMMANDS: readonly Command[] = [
  build,
  summary,
  lock,
  predict,
  measure,
  explain,
  diff,
  lint,
  prove,
  replay,
  verifyLog,
  verifyQuote,
  boot,
  inspect,
  extract,
  keys,
  sign,
  verify,
  release,
  verifyRelease,
  cache,
];
