import { serveTasks } from "../workers/serve-tasks.ts";
import { deflatePiece } from "./gzip-blocks.ts";

serveTasks(deflatePiece);
