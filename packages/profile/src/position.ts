/** Where a value was written. `line` and `column` count from 1. */
export interface SourcePosition {
  /** The file as the user would name it, or `command line` or `default`. */
  file: string;
  line?: number;
  column?: number;
}
