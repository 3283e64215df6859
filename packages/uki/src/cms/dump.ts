import type { Attributes, SignedData, SignerInfo } from "./reader.ts";
import { describeKey, publicKeyOf } from "./key.ts";
import { oneLineName } from "./name.ts";

/** A signature as text: what is signed, a line for each certificate, and what each signer says. */
export function dumpSignedData({ certificates, content, contentType, signers, version }: SignedData): string {
  const contentBytes = content ? `${content.contents.length} bytes, tag ${hex(content.tag)}` : "elsewhere";
  return [
    `version = ${version}\n`,
    `content = ${contentType}, ${contentBytes}\n`,
    ...certificates.map((certificate) => {
      const { subject, issuer, serialNumber } = certificate;
      const key = describeKey(publicKeyOf(certificate)).name;
      return `certificate = "${oneLineName(subject)}" ${key}, ${serialNumber} of "${oneLineName(issuer)}"\n`;
    }),
    ...signers.map(dumpSigner),
  ].join("");
}

function dumpSigner(signer: SignerInfo): string {
  return [
    `[signer ${signer.serialNumber.toString("hex")}]\n`,
    `digestAlgorithm = ${signer.digestAlgorithm}\n`,
    ...(signer.signedAttributes ? dumpAttributes("signed", signer.signedAttributes.values) : []),
    `signatureAlgorithm = ${signer.signatureAlgorithm}\n`,
    `signature = ${signer.signature.length} bytes\n`,
    ...dumpAttributes("unsigned", signer.unsignedAttributes),
  ].join("");
}

function dumpAttributes(kind: string, attributes: Attributes): string[] {
  return [...attributes].map(([type, values]) => {
    const shown = values.map(({ encoded }) =>
      encoded.length <= 80 ? encoded.toString("hex") : `${encoded.length} bytes`,
    );
    return `${kind} ${type} = ${shown.join(", ")}\n`;
  });
}

function hex(value: number): string {
  return `0x${value.toString(16)}`;
}
