import { gunzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { dumpIgvm } from "./dump.ts";
import { readIgvm } from "./reader.ts";
import { predictIgvmLaunch } from "./snp-launch.ts";

/**
 * A file that Microsoft's igvm-tooling made (github.com/microsoft/igvm-tooling 53656dd, MIT): its `IGVMHeaders` was given
 * measured, empty, unmeasured, shared, CPUID and secrets pages, parameters and a context, and its own digest as the ID
 * block's. Its headers are padded with the digit 0.
 */
const FILE = gunzipSync(
  Buffer.from(
    "H4sIAAAAAAACA+3cvUrDUBjG8fckwQ90COjgpkNwruAFFBSKQkGoSsRFqSgFRQdxcnAQ7NhBghU6uHZ2cHT0IsTBRVAnZwdPmmhOP0AQB3v8/+Bp85y3J5zkArpQWC0qEZnQyXsi4ZZIcFE/jtd8nfjbceLPhFLJ+qS4SU/XHTe5R2uYrofe17ZsPiVt+7rmOWP/eI953pgHer1zvmTMZ0W8zvmGMZ9PZ+b8oPt88bVy00fz2889qNeHjD5q9Ph+7ue+k/b7enq99Xg14zzLyXVOG9HzGyf7/fVbqVpajwqN6cvy41Plbve2fH6m5tbq79XD/ej14T6Ixpq153BzURVPGy8D8g0l2bsDftsVAAAAAACwXmXnaI8QQgghhBBCCCF2ZwUAAAAAAFhvGwAAAAAAWE/1+L8JOp1Op9PpdDqdTqfT6XZ16/h/4xgzfXJO9JfhH+5TvDoAAADg3/sAztzFoVhkAAA=",
    "base64",
  ),
);
const LAUNCH_DIGEST =
  "b4f25388535b96479d269a63e2e769c86cc063948701435999fc88746f96ecdedc249613aa90ea58614a014d849deb06";

describe("a file of igvm-tooling", () => {
  it("is read", () => {
    expect(dumpIgvm(readIgvm(FILE))).toBe(`IGVM 1, x64
platform SEV_SNP 1, mask 0x1, VTL 2
GUEST_POLICY policy=0x3001f compatibilityMask=0x1
PAGE_DATA NORMAL compatibilityMask=0x1 0x1000 x1 53d25efde6fa17ff
PAGE_DATA NORMAL compatibilityMask=0x1 0x2000 x1 no data
PAGE_DATA NORMAL compatibilityMask=0x1 0x3000 x1 5ae5dae2e84c9b41
PAGE_DATA NORMAL compatibilityMask=0x1 unmeasured 0x4000 x1 0561079e4fe3390b
PAGE_DATA NORMAL compatibilityMask=0x1 shared 0x5000 x1 095b746c3a23191f
PAGE_DATA CPUID_DATA compatibilityMask=0x1 0x6000 x1 3a7b0277a991ce04
PAGE_DATA SECRETS compatibilityMask=0x1 0x7000 x1 no data
PARAMETER_AREA sizeBytes=0x1000
VP_COUNT_PARAMETER
MEMORY_MAP byteOffset=0x18
PARAMETER_INSERT gpa=0x8000 compatibilityMask=0x1
VP_CONTEXT gpa=0x9000 compatibilityMask=0x1 4096 bytes 613f8a510e9db58d
SNP_ID_BLOCK compatibilityMask=0x1 launchDigest=${LAUNCH_DIGEST} version=0x1 guestSvn=0x2
`);
  });

  it("has the launch digest that it demands where Hyper-V starts it", () => {
    expect(predictIgvmLaunch(readIgvm(FILE), { loader: "openvmm" })).toMatchObject({
      launchDigest: LAUNCH_DIGEST,
      idBlockLaunchDigest: LAUNCH_DIGEST,
    });
  });
});
