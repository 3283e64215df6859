import type { ByteSource } from "@cvm-build/bytes";
import type { Boot, EspPath } from "./boot/boot.ts";
import { predictBoot } from "./boot/predict-boot.ts";
import type { Prediction } from "./prediction.ts";

/** A boot of a UKI from an EFI system partition. */
export type UkiOnEspOptions = Omit<Boot, "path"> & Pick<EspPath, "ukiPath" | "companions">;

/** Predicts the registers of a machine that boots a UKI from an EFI system partition: `predictBoot` of that path. */
export function predictUkiOnEsp(image: ByteSource, options: UkiOnEspOptions): Promise<Prediction> {
  const { ukiPath, companions, ...boot } = options;
  const place = { ...(ukiPath !== undefined && { ukiPath }), ...(companions && { companions }) };
  return predictBoot({ ...boot, path: { kind: "esp", uki: image, ...place } });
}
