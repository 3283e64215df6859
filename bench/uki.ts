import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openFileSource } from "@cvm-build/bytes";
import { readUki } from "@cvm-build/uki";
import { type DebianRoot, debianRoot } from "../test/support/trixie-root.ts";
import { debianKernel, debianStub } from "../test/support/uki-parts.ts";
import { printTable, type Row } from "./table.ts";
import { type Figures, median, timed } from "./timed.ts";

// `pnpm bench:uki`: a UKI of 200 MB assembled, signed for Secure Boot and its PCR 11 told for every phase and bank, by us
// in one process and by `ukify build`, `sbsign` and `systemd-measure calculate` of Debian trixie, in the same minutes.
//
//   pnpm bench:uki             five runs of each
//   pnpm bench:uki --runs 9

const INITRD_BYTES = 190_000_000;

/** What both are given, by path. */
interface Parts {
  stub: string;
  kernel: string;
  initrd: string;
  osRelease: string;
  commandLine: string;
  key: string;
  certificate: string;
}

const scratch = mkdtempSync(join(tmpdir(), "cvm-bench-uki-"));
try {
  const runs = Number(process.argv[process.argv.indexOf("--runs") + 1]) || 5;
  const [stub, kernel] = [debianStub("trixie"), debianKernel()];
  const peers = debianRoot("trixie", ["systemd-ukify", "systemd", "sbsigntool"]);
  if (!stub || !kernel || !peers) throw new Error("stub, kernel and peers come from Debian's archive, with apt-get");
  const parts = makeParts(stub, kernel.path);
  console.log(
    `a UKI with an initrd of ${INITRD_BYTES / 1e6} MB: assembled, signed, measured; medians of ${runs} runs\n`,
  );
  printTable(bench(parts, { peers, runs }));
} finally {
  rmSync(scratch, { recursive: true, force: true });
}

/** In turn, so that whatever else the machine does falls on both. */
function bench(parts: Parts, { peers, runs }: { peers: DebianRoot; runs: number }): Row[] {
  const all: { ours: Figures[]; theirs: Figures[] } = { ours: [], theirs: [] };
  for (let run = 0; run < runs; run++) {
    all.ours.push(buildOurselves(parts));
    all.theirs.push(buildWithPeers(parts, peers));
  }
  return [
    { name: "assemble, sign, measure", reach: "0.5 x the peers", figures: median(all.ours) },
    { name: "peer: ukify, sbsign, systemd-measure", figures: median(all.theirs) },
  ];
}

function makeParts(stub: string, kernel: string): Parts {
  const file = (name: string, content: Uint8Array | string): string => {
    writeFileSync(join(scratch, name), content);
    return join(scratch, name);
  };
  const [key, certificate] = [join(scratch, "db.key"), join(scratch, "db.crt")];
  const request = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=bench", "-keyout", key];
  execFileSync("openssl", [...request, "-out", certificate], { stdio: "ignore" });
  return {
    ...{ stub, kernel, key, certificate },
    initrd: file("initrd", Buffer.alloc(INITRD_BYTES, "an initrd is compressed; its bytes do not matter here")),
    osRelease: file("os-release", "ID=bench\nVERSION_ID=1\n"),
    commandLine: file("cmdline", "console=ttyS0 quiet"),
  };
}

function buildOurselves(parts: Parts): Figures {
  const outputs = { image: join(scratch, "ours.efi"), signed: join(scratch, "ours.signed.efi") };
  const request = join(scratch, "request.json");
  writeFileSync(request, JSON.stringify({ ...parts, ...outputs }));
  return timed([process.execPath, join(import.meta.dirname, "uki-ours.ts"), request], { cwd: scratch });
}

function buildWithPeers(parts: Parts, root: DebianRoot): Figures {
  const [image, signed] = [join(scratch, "theirs.efi"), join(scratch, "theirs.signed.efi")];
  const quote = (words: readonly string[]): string => words.map((word) => `'${word}'`).join(" ");
  const ukify = quote([
    ...root.command("usr/bin/ukify"),
    ...["build", `--stub=${parts.stub}`, `--linux=${parts.kernel}`, `--initrd=${parts.initrd}`, `--output=${image}`],
    ...[`--os-release=@${parts.osRelease}`, `--cmdline=@${parts.commandLine}`],
  ]);
  const sbsign = quote([
    ...root.command("usr/bin/sbsign"),
    ...["--key", parts.key, "--cert", parts.certificate, "--output", signed, image],
  ]);
  const measure = quote([
    ...root.command("usr/lib/systemd/systemd-measure"),
    "calculate",
    ...[`--linux=${parts.kernel}`, `--osrel=${parts.osRelease}`, `--cmdline=${parts.commandLine}`],
    ...[`--initrd=${parts.initrd}`, `--uname=${join(scratch, "uname")}`, `--sbat=${join(scratch, "sbat")}`],
  ]);
  writeMeasuredTexts();
  const program = [`export PYTHONHOME='${join(root.path, "usr")}'`, ukify, "unset PYTHONHOME", sbsign, measure];
  return timed(["sh", "-ec", program.join("\n")], { cwd: scratch });
}

/** What of an image is made and not given; systemd-measure wants it as files. */
function writeMeasuredTexts(): void {
  using source = openFileSource(join(scratch, "ours.efi"));
  for (const name of [".uname", ".sbat"] as const) {
    const content = readUki(source).base.get(name)?.content;
    if (content) writeFileSync(join(scratch, name.slice(1)), content.read(0, content.sizeBytes));
  }
}
