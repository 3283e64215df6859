import { serveTasks } from "@cvm-build/fs-writer";
import { decodeArchive } from "./decode-archive.ts";

serveTasks(decodeArchive);
