/** One boot: how it starts, which firmware, what runs in front of the kernel, what is special, which machine. */
export interface Row {
  path: "esp" | "systemd-boot" | "kernel-uki" | "kernel-bzimage";
  /** Whose OVMF, by Debian's release: 2022.11, 2025.02, 2026.08. */
  ovmf: "bookworm" | "trixie" | "sid";
  /** systemd-stub's version of a UKI, and systemd-boot's; or Linux's where there is no UKI. */
  image: 252 | 257 | 262 | "Linux 6.1" | "Linux 6.12" | "Linux 7.2";
  /** `companions`: add-ons, credentials and extensions; `passed`: another command line, where there is no ESP for those. */
  content: "plain" | "companions" | "passed" | "secure-boot" | "profiles";
  /** `small`: 1 GiB, one vCPU; `large`: 3 GiB, of which QEMU puts some above 4 GiB, and two vCPUs. */
  size: "small" | "large";
  qemu: "7.2" | "10" | "11";
  /** Whether CI boots it each time. */
  inShort: boolean;
}

type Cells = [Row["path"], Row["ovmf"], Row["image"], Row["content"], Row["size"], Row["qemu"], "short"?];

/**
 * Every path with every firmware and everything special that it can have; stubs, sizes and versions of QEMU are dealt out
 * so that each meets each value of all other columns. What cannot be: systemd-stub 252 has no profiles, what QEMU hands over
 * has no ESP beside it, and without a stub there are no profiles.
 */
const CELLS: readonly Cells[] = [
  ["esp", "bookworm", 252, "plain", "small", "7.2", "short"],
  ["esp", "bookworm", 257, "companions", "large", "10"],
  ["esp", "bookworm", 262, "secure-boot", "large", "7.2"],
  ["esp", "bookworm", 257, "profiles", "small", "10"],
  ["esp", "trixie", 257, "plain", "small", "10"],
  ["esp", "trixie", 262, "companions", "large", "7.2", "short"],
  ["esp", "trixie", 252, "secure-boot", "large", "10"],
  ["esp", "trixie", 262, "profiles", "small", "7.2"],
  ["esp", "sid", 262, "plain", "large", "10", "short"],
  ["esp", "sid", 252, "companions", "large", "10"],
  ["esp", "sid", 257, "secure-boot", "small", "10"],
  ["esp", "sid", 257, "profiles", "small", "10"],
  ["esp", "sid", 262, "companions", "small", "7.2"],
  ["systemd-boot", "bookworm", 257, "plain", "small", "10"],
  ["systemd-boot", "bookworm", 262, "companions", "large", "7.2"],
  ["systemd-boot", "bookworm", 252, "secure-boot", "large", "10", "short"],
  ["systemd-boot", "bookworm", 262, "profiles", "small", "7.2"],
  ["systemd-boot", "trixie", 262, "plain", "small", "7.2"],
  ["systemd-boot", "trixie", 252, "companions", "large", "10"],
  ["systemd-boot", "trixie", 257, "secure-boot", "large", "7.2"],
  ["systemd-boot", "trixie", 257, "profiles", "small", "10", "short"],
  ["systemd-boot", "sid", 252, "plain", "small", "10"],
  ["systemd-boot", "sid", 257, "companions", "small", "10"],
  ["systemd-boot", "sid", 262, "secure-boot", "large", "10"],
  ["systemd-boot", "sid", 262, "profiles", "large", "10"],
  ["systemd-boot", "sid", 257, "secure-boot", "small", "7.2"],
  ["kernel-uki", "bookworm", 262, "plain", "small", "7.2"],
  ["kernel-uki", "bookworm", 252, "passed", "large", "10"],
  ["kernel-uki", "bookworm", 257, "secure-boot", "large", "7.2"],
  ["kernel-uki", "bookworm", 257, "profiles", "large", "7.2"],
  ["kernel-uki", "trixie", 252, "plain", "small", "10"],
  ["kernel-uki", "trixie", 257, "passed", "small", "7.2"],
  ["kernel-uki", "trixie", 262, "secure-boot", "large", "10"],
  ["kernel-uki", "trixie", 262, "profiles", "small", "7.2"],
  ["kernel-uki", "sid", 257, "plain", "large", "10"],
  ["kernel-uki", "sid", 262, "passed", "large", "10", "short"],
  ["kernel-uki", "sid", 252, "secure-boot", "small", "10"],
  ["kernel-uki", "sid", 257, "profiles", "small", "10"],
  ["kernel-uki", "sid", 257, "passed", "large", "7.2"],
  ["kernel-bzimage", "bookworm", "Linux 6.1", "plain", "small", "7.2"],
  ["kernel-bzimage", "bookworm", "Linux 6.12", "plain", "large", "7.2", "short"],
  ["kernel-bzimage", "bookworm", "Linux 7.2", "plain", "large", "10"],
  ["kernel-bzimage", "trixie", "Linux 7.2", "plain", "small", "7.2"],
  ["kernel-bzimage", "trixie", "Linux 6.12", "plain", "large", "7.2"],
  ["kernel-bzimage", "trixie", "Linux 6.12", "plain", "small", "10"],
  ["kernel-bzimage", "sid", "Linux 6.1", "plain", "large", "10"],
  ["kernel-bzimage", "sid", "Linux 7.2", "plain", "small", "10"],
  ["kernel-bzimage", "sid", "Linux 6.12", "plain", "large", "7.2"],
  ["kernel-bzimage", "bookworm", "Linux 6.12", "secure-boot", "large", "7.2"],
  ["kernel-bzimage", "bookworm", "Linux 7.2", "secure-boot", "small", "10"],
  ["kernel-bzimage", "trixie", "Linux 6.1", "secure-boot", "small", "7.2"],
  ["kernel-bzimage", "trixie", "Linux 6.12", "secure-boot", "large", "10"],
  ["kernel-bzimage", "sid", "Linux 6.12", "secure-boot", "small", "10", "short"],
  // Beyond the matrix: the newest QEMU, after which this firmware leaves boot services at once.
  ["esp", "sid", 262, "plain", "small", "11"],
  ["kernel-bzimage", "sid", "Linux 6.12", "plain", "large", "11"],
];

/** The matrix. */
export const ROWS: readonly Row[] = CELLS.map(([path, ovmf, image, content, size, qemu, short]) => {
  return { path, ovmf, image, content, size, qemu, inShort: short !== undefined };
});

/** Axes of the matrix, whose pairs of values are all in it. */
export const AXES = ["path", "ovmf", "image", "content", "size", "qemu"] as const satisfies (keyof Row)[];

/** Why two values of different columns do not meet, or undefined where they can. */
export function whyApart(a: Pair, b: Pair): string | undefined {
  return APART.find(({ pairs }) => pairs.some(([x, y]) => (x === a && y === b) || (x === b && y === a)))?.why;
}

type Pair = Row[(typeof AXES)[number]];

const STUBS = [252, 257, 262] as const;
const KERNELS = ["Linux 6.1", "Linux 6.12", "Linux 7.2"] as const;
const BY_STUBS = ["companions", "passed", "profiles"] as const;

const APART: readonly { why: string; pairs: readonly (readonly [Pair, Pair])[] }[] = [
  { why: "that stub knows none", pairs: [[252, "profiles"]] },
  {
    why: "without an ESP there is nothing beside a UKI",
    pairs: [["kernel-uki", "companions"]],
  },
  {
    why: "from an ESP nobody passes anything",
    pairs: (["esp", "systemd-boot"] as const).map((path) => [path, "passed"]),
  },
  {
    why: "there is a stub or there is none",
    pairs: [
      ...STUBS.map((stub) => ["kernel-bzimage", stub] as const),
      ...BY_STUBS.map((content) => ["kernel-bzimage", content] as const),
      ...KERNELS.flatMap((kernel) => BY_STUBS.map((content) => [kernel, content] as const)),
      ...KERNELS.flatMap((kernel) =>
        (["esp", "systemd-boot", "kernel-uki"] as const).map((path) => [path, kernel] as const),
      ),
    ],
  },
];
