import { assert, type ByteSource, CvmError } from "@cvm-build/bytes";
import { authenticodeRanges, judgeImage, type ImageVerdict, type Signature } from "@cvm-build/uki";
import type { DigestPart } from "../digest-stream.ts";
import type { Draft } from "../draft.ts";
import type { EventSource } from "../event.ts";
import { addAuthority, addSecureBootVariables, isSecureBootOn } from "../secure-boot-variables.ts";
import { ACTIONS } from "./actions.ts";
import type { Boot } from "./boot.ts";
import type { gptEventData } from "./gpt.ts";

/** Where firmware looks for what a removable medium starts. @see UEFI Specification 2.10, 3.5.1.1 */
export const REMOVABLE_MEDIA_PATH = "/EFI/BOOT/BOOTX64.EFI";
/** What QEMU calls the image that it hands to firmware. */
export const KERNEL_FILE = "kernel";

/** Firmware draws a line in each of these when it first hands over; in PCR 7 it does so before. */
const SEPARATED = [0, 1, 2, 3, 4, 5, 6] as const;
const SEPARATOR = Buffer.alloc(4);

/** An image that firmware starts. */
export interface LoadedImage {
  path: string;
  source: EventSource;
  /** What its Authenticode digest covers. */
  parts: readonly DigestPart[];
  /** The entry of db that lets it start; undefined where Secure Boot is off. */
  authority: Signature | undefined;
}

/**
 * What EDK2 measures as a boot goes on, event by event.
 * @see EDK2, SecurityPkg/Tcg/Tcg2Dxe and SecurityPkg/Library/DxeTpm2MeasureBootLib
 */
export class FirmwareLog {
  readonly #draft: Draft;
  readonly #boot: Boot;
  readonly #gptEventData: typeof gptEventData | undefined;
  readonly #authorities = new Set<string>();
  #isDiskMeasured = false;

  /** @param options.gptEventData where the boot has a partition table: few do, and what reads it is large */
  constructor(draft: Draft, options: { boot: Boot; gptEventData: typeof gptEventData | undefined }) {
    this.#draft = draft;
    this.#boot = options.boot;
    this.#gptEventData = options.gptEventData;
  }

  /** Whether firmware starts only what is signed. */
  get isSecure(): boolean {
    const { secureBoot } = this.#boot;
    return secureBoot !== false && isSecureBootOn(secureBoot.variables);
  }

  /** Secure Boot's verdict on an image; undefined where it is off. */
  judge(content: ByteSource): ImageVerdict | undefined {
    const { secureBoot } = this.#boot;
    return secureBoot !== false && this.isSecure ? judgeImage(content, secureBoot.variables) : undefined;
  }

  /**
   * As `judge`, of an image without which there is no boot.
   * @throws CvmError `secure-boot` where firmware does not start it
   */
  require(path: string, content: ByteSource): Signature | undefined {
    const verdict = this.judge(content);
    if (!verdict || "authority" in verdict) return verdict?.authority;
    throw new CvmError(
      "secure-boot",
      `cannot predict a boot of "${path}": expected an image that the firmware starts, got ${verdict.refusal}`,
      { hint: "sign it with a key whose certificate is in db: `cvm-build sign`" },
    );
  }

  /** PCR 7: the variables, where they are known. */
  addVariables(): void {
    const { secureBoot } = this.#boot;
    if (secureBoot) addSecureBootVariables(this.#draft, secureBoot.variables);
  }

  /** The line between firmware and what it starts, after what is tried in vain. */
  addBootAttempts(): void {
    this.#addAction(4, ACTIONS.calling);
    const event = { type: "EV_SEPARATOR", label: "separator", source: { constant: "separator" }, digest: SEPARATOR };
    for (const pcr of SEPARATED) this.#draft.add({ pcr, ...event });
    for (let failed = 0; failed < (this.#boot.failedBootOptions ?? 0); failed++) {
      this.#addAction(4, ACTIONS.returning);
      this.#addAction(4, ACTIONS.calling);
    }
  }

  /** An image: what let it start, the disk where it is the first that is read from one, the image. */
  addImage(image: LoadedImage, { fromDisk }: { fromDisk: boolean }): void {
    const { path, source, parts, authority } = image;
    if (authority) addAuthority(this.#draft, { path, authority, measured: this.#authorities });
    if (fromDisk) this.#addDisk();
    const type = "EV_EFI_BOOT_SERVICES_APPLICATION";
    this.#draft.add({ pcr: 4, type, label: path, source, digest: this.#draft.hash(parts) });
  }

  /** The end of firmware's boot services. */
  addExit(): void {
    this.#addAction(5, ACTIONS.exit);
    this.#addAction(5, ACTIONS.exitSucceeded);
  }

  #addDisk(): void {
    const gpt = this.#boot.disk?.gpt;
    if (this.#isDiskMeasured || gpt === undefined || gpt === "none") return;
    assert(this.#gptEventData, "what reads a partition table is loaded where there is one");
    this.#isDiskMeasured = true;
    const source = { constant: "partition table" };
    const digest = this.#gptEventData(gpt);
    this.#draft.add({ pcr: 5, type: "EV_EFI_GPT_EVENT", label: "partition table", source, digest });
  }

  #addAction(pcr: number, action: string): void {
    const source = { constant: pcr === 4 ? "boot option" : "end of boot services" };
    const digest = Buffer.from(action, "latin1");
    this.#draft.add({ pcr, type: "EV_EFI_ACTION", label: action, source, digest });
  }
}

/** What firmware hashes of a small image. */
export function partsOfImage(content: ByteSource): DigestPart[] {
  return authenticodeRanges(content).map(({ offsetBytes, sizeBytes }) => ({
    bytes: content.read(offsetBytes, sizeBytes),
  }));
}
