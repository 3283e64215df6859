/** A step of long work, told to whoever shows it. `total` is undefined while it is not known. */
export interface ProgressEvent {
  /** The stage of the pipeline, such as `fetch`, `unpack`, `compress`. */
  stage: string;
  /** What is being worked on: a package, a file. */
  item?: string;
  done: number;
  total?: number;
  unit: "bytes" | "items";
}

/** Takes progress. Never throws, never blocks. */
export type ReportProgress = (event: ProgressEvent) => void;
