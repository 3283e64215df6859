import { sha256Hex } from "@cvm-build/bytes";
import { expect, test } from "vitest";
import type { ExportFormatName } from "./export-formats.ts";
import { exportMeasurements } from "./export-measurements.ts";
import { makeMeasurements, snpPlatform, tdxPlatform, tpmPlatform } from "./measurements.fixture.ts";

const MEASUREMENTS = makeMeasurements(tdxPlatform("gcp-tdx"), tpmPlatform("aws-nitrotpm"), snpPlatform("qemu-snp"));
const PRINCIPAL = "arn:aws:iam::111122223333:role/node";

/** The files of one format, digests shortened to their first four bytes, and the SHA-256 of all. */
async function golden(format: ExportFormatName, float: string[] = []) {
  const { files } = await exportMeasurements(MEASUREMENTS, { formats: [format], float, awsPrincipal: PRINCIPAL });
  const texts = files.map(({ fileName, bytes }) => `${fileName}\n${bytes.toString("utf8")}`);
  const short = texts.join("\n").replaceAll(/(\\x..){9,}/g, (escapes) => `${escapes.slice(0, 16)}…`);
  return {
    text: short.replaceAll(/[0-9a-f]{40,}/g, (hex) => `${hex.slice(0, 8)}…`),
    sha256: sha256Hex(Buffer.concat(files.map(({ bytes }) => bytes))),
  };
}

test("cvm-reverse-proxy", async () => {
  const { text, sha256 } = await golden("cvm-reverse-proxy", ["rtmr3"]);
  expect(text).toMatchInlineSnapshot(`
    "node.cvm-reverse-proxy.json
    [
      {
        "attestation_type": "dcap-tdx",
        "measurement_id": "node_1.2.3-gcp-tdx",
        "measurements": {
          "0": {
            "expected": "c6a1a2a4…"
          },
          "1": {
            "expected": "1da64f9c…"
          },
          "2": {
            "expected": "ca76d546…"
          },
          "3": {
            "expected": "132345f7…"
          }
        }
      }
    ]
    "
  `);
  expect(sha256).toMatchInlineSnapshot(`"c7c816f5fce6614da61697960743bb8bcaa23c33c56fbb9f90823027455f710d"`);
});

test("attested-tls", async () => {
  const { text, sha256 } = await golden("attested-tls", ["rtmr0"]);
  expect(text).toMatchInlineSnapshot(`
    "node.attested-tls.json
    [
      {
        "attestation_type": "gcp-tdx",
        "measurement_id": "node_1.2.3-gcp-tdx",
        "measurements": {
          "mrtd": {
            "expected_any": [
              "c6a1a2a4…"
            ]
          },
          "rtmr1": {
            "expected_any": [
              "ca76d546…"
            ]
          },
          "rtmr2": {
            "expected_any": [
              "132345f7…"
            ]
          },
          "rtmr3": {
            "expected_any": [
              "00000000…"
            ]
          }
        }
      }
    ]
    "
  `);
  expect(sha256).toMatchInlineSnapshot(`"58bad4653f0b9ea7b8c594e8679220360249e86c544267ec8ce613902ada6f7d"`);
});

test("constellation", async () => {
  const { text, sha256 } = await golden("constellation");
  expect(text).toMatchInlineSnapshot(`
    "node.constellation.json
    {
      "list": [
        {
          "attestationVariant": "aws-nitro-tpm",
          "csp": "AWS",
          "measurements": {
            "4": {
              "expected": "b615d5ed…",
              "warnOnly": false
            },
            "9": {
              "expected": "b53a1ce6…",
              "warnOnly": false
            },
            "11": {
              "expected": "042cb491…",
              "warnOnly": false
            },
            "12": {
              "expected": "00000000…",
              "warnOnly": false
            },
            "13": {
              "expected": "00000000…",
              "warnOnly": false
            }
          }
        }
      ],
      "ref": "-",
      "stream": "stable",
      "version": "v1.2.3"
    }
    "
  `);
  expect(sha256).toMatchInlineSnapshot(`"55c85d0f3e78477dc2ae7f70bb1eafb49386addd91232d87737fff9ac22c287d"`);
});

test("go-tdx-guest", async () => {
  const { text, sha256 } = await golden("go-tdx-guest", ["rtmr0"]);
  expect(text).toMatchInlineSnapshot(`
    "node.gcp-tdx.tdx-check.textproto
    policy {
      td_quote_body_policy {
        mr_td: "\\xc6\\xa1\\xa2\\xa4…"
        rtmrs: ""
        rtmrs: "\\xca\\x76\\xd5\\x46…"
        rtmrs: "\\x13\\x23\\x45\\xf7…"
        rtmrs: "\\x00\\x00\\x00\\x00…"
        enable_td_debug_check: true
      }
    }
    "
  `);
  expect(sha256).toMatchInlineSnapshot(`"85ba360f091ebe1ae7109dd3ea2ac13485c5966d8bbd04d554cf79cf7ae53998"`);
});

test("go-tpm-tools", async () => {
  const { text, sha256 } = await golden("go-tpm-tools");
  expect(text).toMatchInlineSnapshot(`
    "node.aws-nitrotpm.pcrs.textproto
    hash: SHA256
    pcrs {
      key: 4
      value: "\\xb6\\x15\\xd5\\xed…"
    }
    pcrs {
      key: 9
      value: "\\xb5\\x3a\\x1c\\xe6…"
    }
    pcrs {
      key: 11
      value: "\\x04\\x2c\\xb4\\x91…"
    }
    pcrs {
      key: 12
      value: "\\x00\\x00\\x00\\x00…"
    }
    pcrs {
      key: 13
      value: "\\x00\\x00\\x00\\x00…"
    }
    "
  `);
  expect(sha256).toMatchInlineSnapshot(`"f8eded5ae1320e0a7a7e478a547e545e0021b793d5d7e36646bf63cae6e72516"`);
});

test("azure-maa", async () => {
  const { text, sha256 } = await golden("azure-maa");
  expect(text).toMatchInlineSnapshot(`
    "node.tdx.maa-policy.txt
    version=1.2;
    configurationrules
    {
    };
    authorizationrules
    {
        [type=="x-ms-attestation-type", value=="tdxvm"]
        && [type=="tdx_td_attributes_debug", value==false]
        && [type=="tdx_mrtd", value=="c6a1a2a4…"]
        && [type=="tdx_rtmr0", value=="1da64f9c…"]
        && [type=="tdx_rtmr1", value=="ca76d546…"]
        && [type=="tdx_rtmr2", value=="132345f7…"]
        && [type=="tdx_rtmr3", value=="00000000…"]
        => permit();
    };
    issuancerules
    {
    };

    node.snp.maa-policy.txt
    version=1.2;
    configurationrules
    {
    };
    authorizationrules
    {
        [type=="x-ms-attestation-type", value=="sevsnpvm"]
        && [type=="x-ms-sevsnpvm-is-debuggable", value==false]
        && [type=="x-ms-sevsnpvm-launchmeasurement", value=="ee4e7749…"]
        => permit();
    };
    issuancerules
    {
    };
    "
  `);
  expect(sha256).toMatchInlineSnapshot(`"d2c52086c085bbf7f234761f43484b03c02d28a3bc4ce88aeabb030435b8deab"`);
});

test("aws-kms", async () => {
  const { text, sha256 } = await golden("aws-kms");
  expect(text).toMatchInlineSnapshot(`
    "node.kms-policy.json
    {
      "Statement": [
        {
          "Action": [
            "kms:Decrypt",
            "kms:DeriveSharedSecret",
            "kms:GenerateDataKey",
            "kms:GenerateDataKeyPair",
            "kms:GenerateRandom"
          ],
          "Condition": {
            "StringNotEquals": {
              "kms:RecipientAttestation:NitroTPMPCR4": [
                "1c1ccc55…"
              ]
            }
          },
          "Effect": "Deny",
          "Principal": {
            "AWS": "*"
          },
          "Resource": "*",
          "Sid": "DenyOtherImages1"
        },
        {
          "Action": [
            "kms:Decrypt",
            "kms:DeriveSharedSecret",
            "kms:GenerateDataKey",
            "kms:GenerateDataKeyPair",
            "kms:GenerateRandom"
          ],
          "Condition": {
            "StringEquals": {
              "kms:RecipientAttestation:NitroTPMPCR4": "1c1ccc55…"
            },
            "StringNotEquals": {
              "kms:RecipientAttestation:NitroTPMPCR12": [
                "00000000…"
              ]
            }
          },
          "Effect": "Deny",
          "Principal": {
            "AWS": "*"
          },
          "Resource": "*",
          "Sid": "DenyOtherImages2"
        },
        {
          "Action": [
            "kms:Decrypt",
            "kms:DeriveSharedSecret",
            "kms:GenerateDataKey",
            "kms:GenerateDataKeyPair",
            "kms:GenerateRandom"
          ],
          "Condition": {
            "StringEquals": {
              "kms:RecipientAttestation:NitroTPMPCR12": "00000000…",
              "kms:RecipientAttestation:NitroTPMPCR4": "1c1ccc55…"
            }
          },
          "Effect": "Allow",
          "Principal": {
            "AWS": "arn:aws:iam::111122223333:role/node"
          },
          "Resource": "*",
          "Sid": "AllowImage1"
        }
      ],
      "Version": "2012-10-17"
    }
    "
  `);
  expect(sha256).toMatchInlineSnapshot(`"0b6ee1793b9772867a3883d3ef005c5ea7c66c8b699f7e8e7a46ea328bf6a874"`);
});
