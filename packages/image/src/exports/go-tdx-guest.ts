import { combinations, digestOf } from "./combinations.ts";
import type { EncodeExport, PinnedPlatform, TdxFields } from "./reference-values.ts";
import { tdxField } from "./tdx-fields.ts";
import { formatTextproto, type TextField } from "./textproto.ts";

/** Fields of the policy in front of the registers and behind, in the order of their numbers. */
const BEFORE_MR_TD = [
  ["minimum_tee_tcb_svn", "teeTcbSvn"],
  ["mr_seam", "mrSeam"],
  ["td_attributes", "tdAttributes"],
  ["xfam", "xfam"],
] as const;
const AFTER_MR_TD = [
  ["mr_config_id", "mrConfigId"],
  ["mr_owner", "mrOwner"],
  ["mr_owner_config", "mrOwnerConfig"],
] as const;

/**
 * Writes a `checkconfig.Config` for each platform and choice of RTMR values: MRTD may be one of several, RTMRs may not, and an
 * empty one is not looked at. TDs that can be debugged are refused.
 * @see google/go-tdx-guest, proto/checkconfig.proto and validate/validate.go
 */
export const encodeGoTdxGuest: EncodeExport = ({ measurements: { image }, platforms }, details) =>
  platforms.flatMap((platform) => {
    const tdx = { ...platform.owner, ...details.tdx };
    const rtmrs = platform.registers.filter(({ name }) => name !== "mrtd");
    const choices = combinations({ ...platform, registers: rtmrs });
    return choices.map((registers, index) => {
      const values = new Map(registers.map(({ name, value }) => [name, digestOf(value)]));
      const body = [
        ...optionalFields(BEFORE_MR_TD, tdx),
        ...mrTd(platform, "mr_td"),
        ...optionalFields(AFTER_MR_TD, tdx),
        ...[0, 1, 2, 3].map((rtmr) => ({ name: "rtmrs", hex: values.get(`rtmr${rtmr}`) ?? "" })),
        ...mrTd(platform, "any_mr_td"),
        { name: "enable_td_debug_check", scalar: true },
      ];
      const config = [{ name: "policy", message: [{ name: "td_quote_body_policy", message: body }] }];
      const number = choices.length === 1 ? "" : `-${index + 1}`;
      const fileName = `${image.id}.${platform.name}${number}.tdx-check.textproto`;
      return { fileName, bytes: Buffer.from(formatTextproto(config)) };
    });
  });

/** One value is `mr_td`, several are `any_mr_td`. */
function mrTd({ registers }: PinnedPlatform, field: "mr_td" | "any_mr_td"): TextField[] {
  const values = registers.find(({ name }) => name === "mrtd")?.values ?? [];
  const isField = (values.length === 1) === (field === "mr_td");
  return isField ? values.map((value) => ({ name: field, hex: digestOf(value) })) : [];
}

function optionalFields(fields: readonly (readonly [string, keyof TdxFields])[], tdx: TdxFields): TextField[] {
  return fields.flatMap(([name, field]) => (tdx[field] === undefined ? [] : [{ name, hex: tdxField(tdx, field) }]));
}
