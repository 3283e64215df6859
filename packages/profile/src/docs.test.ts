import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { artifactJsonSchema } from "./artifact-schema.ts";
import { MKOSI_SETTINGS } from "./mkosi-setting.ts";
import { platformJsonSchema } from "./platform-schema.ts";
import { serviceJsonSchema } from "./service-schema.ts";
import type { SettingRow } from "./setting.ts";
import { SETTINGS } from "./setting-table.ts";
import { SettingStore } from "./setting-store.ts";

const docs = fileURLToPath(new URL("../../../docs/", import.meta.url));
const empty = new SettingStore({ hostArchitecture: "x86-64", invocationDirectory: "/work" });

/** Groups rows by section, in the order of the table. */
function bySection<T extends { section: string }>(rows: readonly T[]): [section: string, rows: T[]][] {
  return [...Map.groupBy(rows, ({ section }) => section)];
}

function describeRow(row: SettingRow): string {
  const value = empty.formatted(row)?.join(" ");
  const fallback = row.defaultNote ?? (value === undefined || value === "" ? undefined : `\`${value}\``);
  const notes = [
    row.kind.shape,
    ...(fallback === undefined ? [] : [`default ${fallback}`]),
    ...(row.formats ? [`with \`Format=\` ${row.formats.join(", ")}`] : []),
    ...(row.isOurs ? ["not in mkosi"] : []),
  ];
  return `- \`${row.name}=\` ${row.summary} (${notes.join("; ")})`;
}

/** Replaces what stands between two comments of a page. */
function fill(page: string, part: string, text: string): string {
  const region = new RegExp(`(<!-- ${part}: [^\\n]*-->\\n)[^]*?(<!-- end of ${part} -->)`);
  expect(page).toMatch(region);
  return page.replace(region, (_, start, end) => `${start}\n${text}\n\n${end}`);
}

test("the page lists every setting (vitest -u writes it)", async () => {
  const page = readFileSync(`${docs}profile-language.md`, "utf8");
  const settings = bySection(SETTINGS).map(
    ([section, rows]) => `### [${section}]\n\n${rows.map(describeRow).join("\n")}`,
  );
  const refused = bySection(MKOSI_SETTINGS).map(([section, rows]) => {
    const advice = [...Map.groupBy(rows, ({ useInstead }) => useInstead)];
    const lines = advice.map(
      ([useInstead, group]) => `- ${group.map(({ name }) => `\`${name}=\``).join(" ")}: ${useInstead}`,
    );
    return `### Refused in [${section}]\n\n${lines.join("\n")}`;
  });
  const filled = fill(fill(page, "settings", settings.join("\n\n")), "refused", refused.join("\n\n"));
  await expect(filled).toMatchFileSnapshot(`${docs}profile-language.md`);
});

/*
 * To write them anew:
 * node -e 'import("@cvm-build/profile").then((p) => console.log(JSON.stringify(p.serviceJsonSchema())))' \
 *   > docs/schemas/service.schema.json && oxfmt docs/schemas
 */
test.each([
  ["service", serviceJsonSchema],
  ["artifact", artifactJsonSchema],
  ["platform", platformJsonSchema],
])("the published schema of a %s is the one that is used", (name, schema) => {
  expect(JSON.parse(readFileSync(`${docs}schemas/${name}.schema.json`, "utf8"))).toEqual(schema());
});
