import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { memorySigner, rsaKey } from "../cms/certificate.fixture.ts";
import { leaf } from "../cms/signed-data.fixture.ts";
import { makePe } from "../pe/pe.fixture.ts";
import { type SigningRequest, signPe } from "./sign.ts";

/** The leaf's signature. */
export const signing: SigningRequest = { signer: memorySigner(rsaKey()), certificates: [leaf.certificate] };

/** Some image; its size is a multiple of 8 unless something trails. */
export function makeImage(trailing = ""): Buffer {
  const sections = [
    { name: ".text", content: "code" },
    { name: ".data", content: "data" },
  ];
  return makePe({ sections, trailing: Buffer.from(trailing) });
}

/** A folder with an image in it, gone when disposed of. */
export function imageFolder(
  image: Uint8Array = makeImage(),
): { path: string; image: string; output: string } & Disposable {
  const path = mkdtempSync(join(tmpdir(), "cvm-authenticode-"));
  writeFileSync(join(path, "image.efi"), image);
  return {
    path,
    image: join(path, "image.efi"),
    output: join(path, "signed.efi"),
    [Symbol.dispose]: () => rmSync(path, { recursive: true }),
  };
}

/** Bytes of an image with as many of the leaf's signatures as said. */
export async function makeSigned(image: Uint8Array = makeImage(), signatures = 1): Promise<Buffer> {
  using folder = imageFolder(image);
  for (let count = 0; count < signatures; count++) {
    await signPe({ ...signing, image: folder.image, output: folder.image });
  }
  return readFileSync(folder.image);
}
