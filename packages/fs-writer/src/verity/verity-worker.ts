import { serveTasks } from "../workers/serve-tasks.ts";
import { hashRange } from "./hash-range.ts";

serveTasks(hashRange);
