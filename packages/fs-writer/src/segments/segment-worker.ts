import { serveTasks } from "../workers/serve-tasks.ts";
import { writeSegment } from "./write-segment.ts";

serveTasks(writeSegment);
