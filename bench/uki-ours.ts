import { readFileSync } from "node:fs";
import { bytesSource, HASH_ALGORITHMS, openFileSource } from "@cvm-build/bytes";
import { BOOT_PHASES, predictUkiPhases } from "@cvm-build/measure";
import { assembleUki, openSigner, readCertificates, readKernelRelease, signPe } from "@cvm-build/uki";

// What `bench/uki.ts` times, as one process: paths come as JSON in the file that the first argument names.

const parts = JSON.parse(readFileSync(process.argv[2] ?? "", "utf8")) as Record<
  "stub" | "kernel" | "initrd" | "osRelease" | "commandLine" | "key" | "certificate" | "image" | "signed",
  string
>;
using stub = openFileSource(parts.stub);
using kernel = openFileSource(parts.kernel);
using initrd = openFileSource(parts.initrd);
assembleUki({
  stub,
  sections: [
    { name: ".linux", content: [kernel] },
    { name: ".initrd", content: [initrd] },
    { name: ".osrel", content: [bytesSource(readFileSync(parts.osRelease))] },
    { name: ".cmdline", content: [bytesSource(readFileSync(parts.commandLine))] },
    { name: ".uname", content: [bytesSource(Buffer.from(readKernelRelease(kernel)))] },
  ],
  output: parts.image,
});
const options = { directory: "/", environment: {} };
await using signer = await openSigner(parts.key, options);
const certificates = await readCertificates(parts.certificate, options);
await signPe({ image: parts.image, output: parts.signed, signer, certificates });
using signed = openFileSource(parts.signed);
const phases = await predictUkiPhases(signed, { banks: HASH_ALGORITHMS, phases: [...BOOT_PHASES], threads: 2 });
process.stdout.write(`${JSON.stringify(phases)}\n`);
