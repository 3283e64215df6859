/** What to load, and all that the result may depend on beside the files. */
export interface LoadRequest {
  /** Absolute directory of the configuration; nothing outside it is read. */
  directory: string;
  /** `--profile`, in order. */
  profiles: readonly string[];
  /** `--set Section.Name=value`, in order; an empty value resets. */
  settings: readonly { name: string; value: string }[];
  /** The default of `Architecture=`, and what `[Match] HostArchitecture=` asks for. */
  hostArchitecture: "x86-64" | "arm64";
  /** Whether settings of mkosi's that cvm-build does not have are listed instead of refused. */
  ignoreUnsupported: boolean;
  /** Absolute working directory: relative paths of the command line start there, and `build/` is made there. */
  invocationDirectory: string;
  /** The caller's environment; only what `PassEnvironment=` lists is looked at. */
  environment: Readonly<Record<string, string>>;
}
