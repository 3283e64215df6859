import { HASH_ALGORITHM_IDS } from "../../eventlog/format.ts";
import type { ProtoSchema } from "../protobuf/schema.ts";

/** @see go-tpm-tools, proto/tpm.proto, "PCRs" */
const PCRS = {
  hash: [
    1,
    {
      enum: {
        SHA1: HASH_ALGORITHM_IDS.sha1,
        SHA256: HASH_ALGORITHM_IDS.sha256,
        SHA384: HASH_ALGORITHM_IDS.sha384,
        SHA512: HASH_ALGORITHM_IDS.sha512,
      },
    },
  ],
  // A map: messages of key and value.
  pcrs: [2, { message: { key: [1, "uint"], value: [2, "bytes"] } }],
} as const satisfies ProtoSchema;

/** @see go-tpm-tools, proto/tpm.proto, "Quote" */
const QUOTE = { quote: [1, "bytes"], pcrs: [3, { message: PCRS }] } as const satisfies ProtoSchema;

/** What of a report is compared or warned of. @see go-sev-guest, proto/sevsnp.proto, "Report" */
const SNP_REPORT = {
  version: [1, "uint"],
  policy: [3, "uint"],
  report_data: [11, "bytes"],
  measurement: [12, "bytes"],
  host_data: [13, "bytes"],
  id_key_digest: [14, "bytes"],
  author_key_digest: [15, "bytes"],
} as const satisfies ProtoSchema;

/** @see go-tdx-guest, proto/tdx.proto, "TDQuoteBody" */
const TD_QUOTE_BODY = {
  td_attributes: [5, "bytes"],
  xfam: [6, "bytes"],
  mr_td: [7, "bytes"],
  mr_config_id: [8, "bytes"],
  mr_owner: [9, "bytes"],
  mr_owner_config: [10, "bytes"],
  rtmrs: [11, "bytes"],
  report_data: [12, "bytes"],
} as const satisfies ProtoSchema;

/** What `gotpm attest` writes. @see go-tpm-tools, proto/attest.proto, "Attestation" */
export const GCE_ATTESTATION = {
  ak_pub: [1, "bytes"],
  quotes: [2, { message: QUOTE }],
  event_log: [3, "bytes"],
  sev_snp_attestation: [8, { message: { report: [1, { message: SNP_REPORT }] } }],
  tdx_attestation: [9, { message: { td_quote_body: [2, { message: TD_QUOTE_BODY }] } }],
} as const satisfies ProtoSchema;

/** What `gotpm attest` may be asked to write: its banks' quotes are no more than these. */
export const MAX_QUOTES = 8;
