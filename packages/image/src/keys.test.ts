import { X509Certificate } from "node:crypto";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { readSignatureLists } from "@cvm-build/uki";
import { describe, expect, it } from "vitest";
import { type KeysRequest, makeKeys } from "./keys.ts";
import { makeProject } from "./project.fixture.ts";

const request: KeysRequest = { output: "keys", algorithm: "p256", name: "Example", validYears: 5, dbCertificates: [] };

describe("makeKeys", () => {
  it("lets only its owner read a private key, and says whose keys they are", async () => {
    using project = makeProject({});
    const { directory, files, owner } = await makeKeys(request, project.surroundings);
    expect(directory).toBe(join(project.path, "keys"));
    for (const { name, private: isPrivate } of files) {
      expect(`${name} ${(statSync(join(directory, name)).mode & 0o777).toString(8)}`).toBe(
        `${name} ${isPrivate ? "600" : "644"}`,
      );
    }
    expect(files.filter((file) => file.private).map(({ name }) => name)).toEqual([
      ...["PK.key", "KEK.key", "db.key", "tpm2-pcr-private-key.pem"],
    ]);
    const { subject, validFromDate, validToDate } = new X509Certificate(readFileSync(join(directory, "db.crt")));
    expect(subject).toBe("CN=Example db");
    expect(validToDate.getUTCFullYear() - validFromDate.getUTCFullYear()).toBe(5);
    expect(owner).toBe("00000000-0000-4000-8000-000000000000");
  });

  it("enrols other people's certificates beside its own", async () => {
    using project = makeProject({});
    await makeKeys({ ...request, output: "theirs" }, project.surroundings);
    const { directory } = await makeKeys({ ...request, dbCertificates: ["theirs/db.crt"] }, project.surroundings);
    const lists = readSignatureLists(readFileSync(join(directory, "db.esl")));
    const certificates = lists.flatMap(({ signatures }) => signatures.map(({ data }) => data.toString("hex")));
    const files = [join(directory, "db.cer"), join(project.path, "theirs/db.cer")];
    expect(certificates).toEqual(files.map((path) => readFileSync(path).toString("hex")));
  });

  it("replaces no file, and leaves none of a set that it cannot write", async () => {
    using project = makeProject({ "keys/db.crt": "mine" });
    await expect(makeKeys(request, project.surroundings)).rejects.toMatchObject({
      code: "output",
      message: `cannot write "${join(project.path, "keys/db.crt")}": expected nothing there, got a file`,
    });
    expect(readdirSync(join(project.path, "keys"))).toEqual(["db.crt"]);
    expect(readFileSync(join(project.path, "keys/db.crt"), "utf8")).toBe("mine");
  });
});
