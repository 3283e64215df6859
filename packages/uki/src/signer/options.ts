/** Where passphrases and PINs come from. Never from arguments or the environment, which other processes can read. */
export interface SecretSources {
  /** A file with nothing else in it than one line. */
  passphraseFile?: string | undefined;
  /** Asks whoever runs the program; absent where nobody can be asked. */
  ask?: ((question: string) => Promise<string>) | undefined;
}

/** What opening a key needs from the outside. */
export interface SignerOptions {
  /** Directory that relative paths start from. */
  directory: string;
  /** Environment of the programs that are run, and where cloud services find their settings and credentials. */
  environment: Readonly<Record<string, string | undefined>>;
  secrets?: SecretSources | undefined;
  /** How long a program may take to answer. Default: 120 s, since it may ask its user to touch something. */
  timeoutMs?: number | undefined;
}
