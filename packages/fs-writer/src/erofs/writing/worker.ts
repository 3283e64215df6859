import { serveTasks } from "../../workers/serve-tasks.ts";
import { runTask } from "./tasks.ts";

serveTasks(runTask);
