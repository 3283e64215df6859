import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { bytesSource, digest, HASH_ALGORITHMS, type HashAlgorithm } from "@cvm-build/bytes";
import {
  EFI_GLOBAL_VARIABLE,
  enrolledVariables,
  type NewVariable,
  readSignatureLists,
  SECURE_BOOT_ENABLE,
} from "@cvm-build/uki";
import { describe, expect, it } from "vitest";
import { hashBanks } from "./digest-banks.ts";
import { Draft } from "./draft.ts";
import { VariableData } from "./eventlog/format.ts";
import { readEventLog } from "./eventlog/reader.ts";
import { replay } from "./registers.ts";
import {
  addAuthority,
  addSecureBootVariables,
  isSecureBootOn,
  type SecureBootVariables,
  secureBootVariablesOf,
} from "./secure-boot-variables.ts";

const vectors = join(import.meta.dirname, "../../../../shared/vectors/qemu-boots");
const NOTHING = Buffer.alloc(0);

async function eventsOf(add: (draft: Draft) => void) {
  const draft = new Draft();
  add(draft);
  const digests = await hashBanks(bytesSource(NOTHING), draft.streams, { banks: HASH_ALGORITHMS, threads: 1 });
  return draft.finish(digests);
}

describe.skipIf(!existsSync(vectors))("PCR 7 against real boots", () => {
  interface Run {
    name: string;
    secure_boot: boolean;
    firmware: { file: string; suite: string };
    pcrs: Record<HashAlgorithm, Record<number, string>>;
  }
  const runs = existsSync(vectors) ? (JSON.parse(readFileSync(join(vectors, "runs.json"), "utf8")) as Run[]) : [];
  const off = runs.filter((run) => !run.secure_boot);
  const on = runs.filter((run) => run.secure_boot);

  it("was told apart by what the firmware was built with", () => {
    expect([off.length, on.length]).toEqual([14, 1]);
    expect(new Set(off.map(({ firmware }) => firmware.suite))).toEqual(new Set(["bookworm", "trixie", "sid"]));
  });

  it.each(off)("of $name, without keys", async ({ firmware, pcrs }) => {
    const variables = secureBootVariablesOf({ variables: [] }, { supported: firmware.suite === "bookworm" });
    const events = await eventsOf((draft) => addSecureBootVariables(draft, variables));
    for (const bank of HASH_ALGORITHMS) {
      expect(replay(events, { banks: [bank] })[bank]?.[7]).toBe(pcrs[bank][7]);
    }
  });

  it.each(on)("of $name, with keys, event by event", async ({ name, pcrs }) => {
    const log = readEventLog(gunzipSync(readFileSync(join(vectors, "runs", `${name}.log.gz`))));
    const real = log.events.filter(({ register }) => register === 7);
    // The log tells what the variables held, since for this type of event it has the bytes that are measured.
    const data = (index: number) => {
      const bytes = real[index]?.data ?? NOTHING;
      return bytes.subarray(VariableData.sizeBytes + 2 * VariableData.decode(bytes).nameChars);
    };
    const variables: SecureBootVariables = {
      SecureBoot: data(0),
      PK: data(1),
      KEK: data(2),
      db: data(3),
      dbx: data(4),
    };
    expect(isSecureBootOn(variables)).toBe(true);
    const [authority] = readSignatureLists(data(3)).flatMap(({ signatures }) => signatures);
    if (!authority) throw new Error("db has a certificate");
    const path = "/EFI/BOOT/BOOTX64.EFI";
    const events = await eventsOf((draft) => {
      addSecureBootVariables(draft, variables);
      const measured = new Set<string>();
      for (const started of [path, "/loader/addons/a.addon.efi"]) {
        addAuthority(draft, { path: started, authority, measured });
      }
    });
    expect(events.map(({ type, digests }) => [type, digests])).toEqual(
      real.map(({ typeName, digests }) => [typeName, digests]),
    );
    for (const bank of HASH_ALGORITHMS) expect(replay(events, { banks: [bank] })[bank]?.[7]).toBe(pcrs[bank][7]);
  });
});

describe("secureBootVariablesOf", () => {
  const timestamp = new Date("2026-01-02T03:04:05Z");
  const lists = { PK: Buffer.from("pk"), KEK: Buffer.from("kek"), db: Buffer.from("db") };
  const stored = (variables: readonly NewVariable[]) => ({
    variables: variables.map((variable) => ({
      ...variable,
      state: 0x3f,
      monotonicCount: 0n,
      timeStamp: Buffer.alloc(16),
      pubKeyIndex: 0,
    })),
  });
  const enrolled = enrolledVariables(lists, timestamp);

  it("has Secure Boot on where there is a PK and nobody has switched it off", () => {
    const without = (name: string) => stored(enrolled.filter((variable) => variable.name !== name));
    expect(secureBootVariablesOf(stored(enrolled))).toEqual({ ...lists, SecureBoot: Buffer.from([1]) });
    expect(secureBootVariablesOf(without("SecureBootEnable")).SecureBoot).toEqual(Buffer.from([1]));
    expect(secureBootVariablesOf(without("PK")).SecureBoot).toEqual(Buffer.from([0]));
    const off = stored(
      enrolled.map((v) => (v.name === SECURE_BOOT_ENABLE.name ? { ...v, data: Buffer.from([0]) } : v)),
    );
    expect(secureBootVariablesOf(off)).toEqual({ ...lists, SecureBoot: Buffer.from([0]) });
    expect(secureBootVariablesOf(stored(enrolled), { supported: false })).toEqual({ ...lists, SecureBoot: NOTHING });
  });

  it("takes no variable of another vendor for one of these", () => {
    const db = { name: "db", vendor: EFI_GLOBAL_VARIABLE, attributes: 7, data: Buffer.from("theirs") };
    expect(secureBootVariablesOf(stored([db]))).toEqual({ SecureBoot: Buffer.from([0]) });
  });
});

describe("addSecureBootVariables", () => {
  it("measures dbt and dbr after dbx, where they have content", async () => {
    const variables = { SecureBoot: Buffer.from([1]), dbr: Buffer.from("r"), dbt: NOTHING, db: Buffer.from("d") };
    const events = await eventsOf((draft) => addSecureBootVariables(draft, variables));
    expect(events.map(({ label }) => label)).toEqual(["SecureBoot", "PK", "KEK", "db", "dbx", "dbr", "separator"]);
    // GUID, lengths of name and data, name, data.
    const dbr = Buffer.from(
      ["cbb219d73a3d9645a3bcdad00e67656f", "0300000000000000", "0100000000000000", "640062007200", "72"].join(""),
      "hex",
    );
    expect(events[5]?.digests.sha256).toBe(digest("sha256", dbr).toString("hex"));
  });
});
