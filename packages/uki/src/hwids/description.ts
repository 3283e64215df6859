import { type CvmError, type Guid, isGuid } from "@cvm-build/bytes";
import { ukiError } from "../error.ts";
import { HWID_TYPES, type HwidType } from "./format.ts";

/** A file that describes a device: JSON, as ukify's `--hwids=` reads it. */
export interface HwidFile {
  /** From the folder of all of them, with slashes: what orders them. */
  path: string;
  text: string;
}

/** A device and the hardware ids by which it is known. */
export interface HwidDevice {
  type: HwidType;
  name: string;
  /** `compatible` of a device tree, or `fwid` of a firmware. */
  value: string;
  chids: Guid[];
}

/**
 * Reads the description of a device.
 * @throws CvmError `uki-section` where it is none
 * @see ukify(1), `--hwids=`
 */
export function parseHwidFile({ path, text }: HwidFile): HwidDevice {
  const json = parseObject(path, text);
  const type = json["type"] ?? (json["fwid"] === undefined ? "devicetree" : "uefi-fw");
  if (!isHwidType(type)) throw faulty(path, `expected "type" devicetree or uefi-fw, got ${JSON.stringify(type)}`);
  const attribute = HWID_TYPES[type].value;
  for (const other of ["compatible", "fwid"]) {
    if (other !== attribute && json[other] !== undefined) {
      throw faulty(path, `expected "${attribute}" of a ${type} alone, got "${other}"`);
    }
  }
  const { hwids } = json;
  if (!Array.isArray(hwids)) throw faulty(path, `expected "hwids" to be a list, got ${JSON.stringify(hwids)}`);
  return {
    type,
    name: textOf(path, json, "name"),
    value: textOf(path, json, attribute),
    chids: hwids.map((hwid: unknown) => parseChid(path, hwid)),
  };
}

function isHwidType(type: unknown): type is HwidType {
  return typeof type === "string" && Object.hasOwn(HWID_TYPES, type);
}

function parseObject(path: string, text: string): Record<string, unknown> {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw faulty(path, `expected JSON, got: ${(cause as Error).message}`, cause);
  }
  if (typeof json === "object" && json !== null && !Array.isArray(json)) return json as Record<string, unknown>;
  throw faulty(path, "expected an object of name, compatible and hwids");
}

function textOf(path: string, json: Record<string, unknown>, key: string): string {
  const value = json[key];
  if (typeof value === "string" && !value.includes("\0")) return value;
  throw faulty(path, `expected "${key}" to be text without NUL, got ${JSON.stringify(value)}`);
}

/** With braces or without, in any case, as Python's `uuid.UUID` takes it. */
function parseChid(path: string, hwid: unknown): Guid {
  const digits =
    typeof hwid === "string"
      ? hwid
          .replace(/^\{|\}$/g, "")
          .replaceAll("-", "")
          .toLowerCase()
      : "";
  const chid = digits.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
  if (isGuid(chid)) return chid;
  throw faulty(
    path,
    `expected a hardware id such as 8be4df61-93ca-11d2-aa0d-00e098032b8c, got ${JSON.stringify(hwid)}`,
  );
}

function faulty(path: string, expectation: string, cause?: unknown): CvmError {
  return ukiError("uki-section", `cannot read hardware ids "${path}": ${expectation}`, { cause });
}
