import { generateKeyPairSync } from "node:crypto";
import { truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { bytesSource, openFileSource } from "@cvm-build/bytes";
import { signPe, verifyPe } from "@cvm-build/uki";
import { makeIdentity, memorySigner } from "../../packages/uki/src/cms/certificate.fixture.ts";
import { makePe } from "../../packages/uki/src/pe/pe.fixture.ts";
import { SectionHeader } from "../../packages/uki/src/pe/format.ts";
import { readPe } from "../../packages/uki/src/pe/reader.ts";

/** Signs and verifies an image of zeros and prints what that took at most. Its own process: `sign-large-image.ts FOLDER MIB`. */
const [folder = "", mebibytes = "0"] = process.argv.slice(2);
const [image, output] = [join(folder, "image.efi"), join(folder, "signed.efi")];
const head = makePe({ sections: [{ name: ".initrd", content: "zeros" }] });
const [section] = readPe(bytesSource(head)).sections;
if (!section) throw new Error("the image has a section");
const sizeBytes = Number(mebibytes) << 20;
head.writeUInt32LE(sizeBytes, section.headerOffset + SectionHeader.offsetOf("sizeOfRawData"));
writeFileSync(image, head);
truncateSync(image, section.pointerToRawData + sizeBytes);

const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
const { certificate } = makeIdentity({ name: "signer", privateKey });
const signed = await signPe({ image, output, signer: memorySigner(privateKey), certificates: [certificate] });
using source = openFileSource(output);
const { isTrusted } = verifyPe(source, { trusted: [certificate] });
console.log(JSON.stringify({ ...signed, isTrusted, peakBytes: process.resourceUsage().maxRSS * 1024 }));
