import { DIGEST_SIZE_BYTES, FormatError, HASH_ALGORITHMS, type HashAlgorithm } from "@cvm-build/bytes";
import type { Measurements } from "../measurements.ts";
import { type JsonPlace, parseJson } from "../release/json-document.ts";
import { isRegisterName } from "./register-names.ts";

const RECORD = "measurements";
const SCHEMA: Measurements["schema"] = "cvm-build.measurements/1";
const MAX_PLATFORMS = 10_000;
const MAX_REGISTERS = 64;
const MAX_EVENTS = 1_000_000;
const MAX_FIELDS = 32;

/**
 * Reads a `measurements.json`, of whatever origin: what is a digest there is one afterwards, and registers have known names.
 * @throws FormatError
 */
export function readMeasurements(text: string): Measurements {
  const document = parseJson(text, RECORD);
  const schema = document.at("schema").text();
  if (schema !== SCHEMA)
    throw new FormatError({ record: RECORD, field: "schema" }, `expected ${SCHEMA}, got ${schema}`);
  const image = document.at("image");
  for (const field of ["id", "version"]) image.at(field).text();
  requireDigest(image.at("sha256"), "sha256");
  for (const platform of document.at("platforms").list(MAX_PLATFORMS)) checkPlatform(platform);
  return document.value as Measurements;
}

function checkPlatform(platform: JsonPlace): void {
  platform.at("name").text();
  checkRegisters(platform.at("registers"));
  for (const open of platform.at("unpredicted").list(MAX_REGISTERS)) {
    open.at("register").text();
    open.at("reason").text();
  }
  for (const several of platform.has("alternatives") ? platform.at("alternatives").list(MAX_REGISTERS) : []) {
    requireRegister(several.at("register"));
    for (const value of several.at("values").list(MAX_REGISTERS)) checkDigests(value);
  }
  for (const event of platform.at("events").list(MAX_EVENTS)) {
    requireRegister(event.at("register"));
    event.at("label").text();
    checkDigests(event.at("digests"));
    event.at("source").fields(MAX_FIELDS);
  }
}

function checkRegisters(registers: JsonPlace): void {
  for (const [bank, values] of registers.at("pcr").fields(MAX_FIELDS)) {
    for (const [index, value] of values.fields(MAX_REGISTERS)) {
      requireRegister(value, `pcr${index}`);
      requireDigest(value, bank);
    }
  }
  if (registers.has("mrtd")) requireDigest(registers.at("mrtd"), "sha384");
  for (const [index, value] of registers.has("rtmr") ? registers.at("rtmr").fields(MAX_REGISTERS) : []) {
    requireRegister(value, `rtmr${index}`);
    requireDigest(value, "sha384");
  }
  if (registers.has("launchDigest")) {
    const digest = registers.at("launchDigest");
    requireDigest(digest, digest.text().length === 2 * DIGEST_SIZE_BYTES.sha256 ? "sha256" : "sha384");
  }
}

function checkDigests(digests: JsonPlace): void {
  for (const [bank, digest] of digests.fields(MAX_FIELDS)) requireDigest(digest, bank);
}

function requireRegister(place: JsonPlace, name = place.text()): void {
  if (isRegisterName(name)) return;
  throw new FormatError(
    { record: RECORD, field: "register" },
    `expected a register's name, got ${JSON.stringify(name)}`,
  );
}

function requireDigest(place: JsonPlace, bank: string): void {
  const digest = place.text();
  const isBank = (HASH_ALGORITHMS as readonly string[]).includes(bank);
  const sizeBytes = isBank ? DIGEST_SIZE_BYTES[bank as HashAlgorithm] : 0;
  if (isBank && digest.length === 2 * sizeBytes && /^[0-9a-f]+$/.test(digest)) return;
  throw new FormatError({ record: RECORD, field: bank }, `expected ${sizeBytes} bytes as lower-case hex`);
}
