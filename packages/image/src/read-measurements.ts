import { DIGEST_SIZE_BYTES, FormatError, HASH_ALGORITHMS, type HashAlgorithm } from "@cvm-build/bytes";
import { isRegisterName } from "./exports/register-names.ts";
import type { Measurements } from "./measurements.ts";
import { type JsonPlace, parseJson } from "./release/json-document.ts";

const RECORD = "measurements.json";
const SCHEMA: Measurements["schema"] = "cvm-build.measurements/1";
/** More than any image has. */
const LIMITS = { platforms: 65_536, events: 65_536, registers: 64 } as const;

/**
 * Reads a `measurements.json`, of whatever origin: what is a digest there is one afterwards, and registers have known names.
 * @throws FormatError
 */
export function readMeasurements(text: string): Measurements {
  const document = parseJson(text, RECORD);
  const schema = document.at("schema").text();
  if (schema !== SCHEMA) {
    throw new FormatError({ record: RECORD, field: "schema" }, `expected ${SCHEMA}, got ${schema}`);
  }
  const image = document.at("image");
  for (const field of ["id", "version"]) image.at(field).text();
  requireDigest(image.at("sha256"), ["sha256"]);
  document.at("platforms").list(LIMITS.platforms).forEach(checkPlatform);
  return document.value as Measurements;
}

function checkPlatform(platform: JsonPlace): void {
  platform.at("name").text();
  checkRegisters(platform.at("registers"));
  for (const [bank, paths] of platform.at("phases").fields(HASH_ALGORITHMS.length)) {
    for (const [, value] of paths.fields(LIMITS.registers)) requireDigest(value, [bankOf(bank)]);
  }
  for (const open of platform.at("unpredicted").list(LIMITS.registers)) {
    for (const field of ["register", "reason"]) open.at(field).text();
  }
  optionalList(platform, "alternatives").forEach(checkAlternative);
  for (const each of [...optionalList(platform, "refused"), ...optionalList(platform, "unmeasured")]) {
    for (const field of ["path", "reason"]) each.at(field).text();
  }
  platform.at("events").list(LIMITS.events).forEach(checkEvent);
}

function checkAlternative(alternative: JsonPlace): void {
  const register = alternative.at("register").text();
  requireRegister(register);
  alternative.at("reason").text();
  for (const value of alternative.at("values").list(LIMITS.registers)) {
    checkDigests(value);
    if (register.startsWith("pcr") ? value.fields(HASH_ALGORITHMS.length).length > 0 : value.has("sha384")) continue;
    if (register === "launchDigest" && value.has("sha256")) continue;
    throw new FormatError({ record: RECORD, field: register }, "expected values in a bank that the register has");
  }
}

function checkRegisters(registers: JsonPlace): void {
  for (const [bank, values] of registers.at("pcr").fields(HASH_ALGORITHMS.length)) {
    for (const [index, value] of values.fields(LIMITS.registers)) {
      requireRegister(`pcr${index}`);
      requireDigest(value, [bankOf(bank)]);
    }
  }
  for (const [index, value] of registers.has("rtmr") ? registers.at("rtmr").fields(LIMITS.registers) : []) {
    requireRegister(`rtmr${index}`);
    requireDigest(value, ["sha384"]);
  }
  if (registers.has("mrtd")) requireDigest(registers.at("mrtd"), ["sha384"]);
  if (registers.has("launchDigest")) requireDigest(registers.at("launchDigest"), ["sha256", "sha384"]);
}

function checkEvent(event: JsonPlace): void {
  requireRegister(event.at("register").text());
  event.at("label").text();
  if (event.has("type")) event.at("type").text();
  checkDigests(event.at("digests"));
  for (const [, value] of event.at("source").fields(LIMITS.registers)) value.text();
}

function optionalList(place: JsonPlace, name: string): JsonPlace[] {
  return place.has(name) ? place.at(name).list(LIMITS.events) : [];
}

function checkDigests(digests: JsonPlace): void {
  for (const [bank, value] of digests.fields(HASH_ALGORITHMS.length)) requireDigest(value, [bankOf(bank)]);
}

function requireRegister(name: string): void {
  if (isRegisterName(name)) return;
  throw new FormatError({ record: RECORD, field: "register" }, `expected a register, got ${JSON.stringify(name)}`);
}

function requireDigest(place: JsonPlace, banks: readonly HashAlgorithm[]): void {
  const text = place.text();
  const fits = banks.some((bank) => text.length === DIGEST_SIZE_BYTES[bank] * 2);
  if (fits && /^[0-9a-f]*$/.test(text)) return;
  throw new FormatError({ record: RECORD }, `expected a digest of ${banks.join(" or ")}, got "${text.slice(0, 140)}"`);
}

function bankOf(name: string): HashAlgorithm {
  const bank = HASH_ALGORITHMS.find((each) => each === name);
  if (bank) return bank;
  throw new FormatError({ record: RECORD }, `expected one of ${HASH_ALGORITHMS.join(", ")}, got "${name}"`);
}
