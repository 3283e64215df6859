import { X509Certificate } from "node:crypto";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { type KeysRequest, makeKeys } from "./keys.ts";
import { makeProject } from "./project.fixture.ts";

const request: KeysRequest = { output: "keys", algorithm: "p256", name: "Example", validYears: 5 };

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
