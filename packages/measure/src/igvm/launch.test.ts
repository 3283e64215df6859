import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { readSevFirmware, SEV_METADATA_TYPES } from "../firmware/sev-metadata.ts";
import { readTdvfMetadata, sectionBytes } from "../firmware/tdvf-metadata.ts";
import { initialVmsa } from "../sev/vmm.ts";
import { Vmsa } from "../sev/vmsa.ts";
import { makeIgvm, page, platform } from "./igvm.fixture.ts";
import { predictIgvmMrtd } from "./mrtd.ts";
import { readIgvm } from "./reader.ts";
import { type IgvmLoader, predictIgvmLaunch } from "./snp-launch.ts";

const VECTORS = join(import.meta.dirname, "../../../../../shared/vectors");
const VMSA_GPA = 0xffff_ffff_f000n;
const SNP = platform("SEV_SNP", 1);
const UNMEASURED = 2;
const A = Buffer.alloc(4096, 0xaa);
const B = Buffer.alloc(4096, 0xbb);
const ZERO = Buffer.alloc(4096);

/** The chain of the firmware ABI, written down once more: pages as [type, GPA, contents]. */
function chain(pages: readonly (readonly [type: number, gpa: number | bigint, contents?: Buffer])[]): string {
  let current = Buffer.alloc(48);
  for (const [type, gpa, contents] of pages) {
    const info = Buffer.alloc(0x70);
    current.copy(info, 0);
    if (contents) createHash("sha384").update(contents).digest().copy(info, 48);
    info.writeUInt16LE(0x70, 0x60);
    info.writeUInt8(type, 0x62);
    info.writeBigUInt64LE(BigInt(gpa), 0x68);
    current = createHash("sha384").update(info).digest();
  }
  return current.toString("hex");
}

function context(vmsa: Buffer, fields = {}) {
  return { name: "VP_CONTEXT", fields: { gpa: VMSA_GPA, compatibilityMask: 1, ...fields }, data: vmsa };
}

function vmsaOf(registers: Partial<Vmsa>): Buffer {
  const start = initialVmsa({ vmm: "qemu", signature: 0x80_0f12, sevFeatures: 1n });
  return Vmsa.encode({ ...start, cr0: 0x31n, ...registers });
}

function launch(headers: Parameters<typeof makeIgvm>[0], loader: IgvmLoader, vcpus?: number) {
  return predictIgvmLaunch(readIgvm(makeIgvm([SNP, ...headers])), { loader, ...(vcpus && { vcpus }) });
}

describe("launches from IGVM files", () => {
  const BSP = vmsaOf({});
  const AP = vmsaOf({ rip: 0x9000n });

  it("add pages by their types", () => {
    const headers = [
      page(0x1000, A),
      page(0x2000),
      page(0x3000, B, { flags: UNMEASURED }),
      page(0x4000, undefined, { dataType: 1 }),
      page(0x5000, undefined, { dataType: 2 }),
      page(0x6000, undefined, { dataType: 3 }),
      page(0x7000, B, { compatibilityMask: 2 }),
      context(BSP),
    ];
    const pages = (zero: readonly [number, number, Buffer?]) =>
      [[1, 0x1000, A], zero, [4, 0x3000], [5, 0x4000], [6, 0x5000], [6, 0x6000], [2, VMSA_GPA, BSP]] as const;
    expect(launch(headers, "openvmm").launchDigest).toBe(chain(pages([1, 0x2000, ZERO])));
    expect(launch(headers, "vanadium").launchDigest).toBe(chain(pages([3, 0x2000])));
    expect(launch(headers, "qemu").launchDigest).toBe(chain(pages([1, 0x2000, ZERO])));
    expect(
      launch(headers, "qemu").events.map(({ type, label, digests }) => [type, label, Object.keys(digests)]),
    ).toEqual([
      ["PAGE_TYPE_NORMAL", "page data, 1 page at 0x1000", ["sha384"]],
      ["PAGE_TYPE_NORMAL", "page data, 1 page at 0x2000", ["sha384"]],
      ["PAGE_TYPE_UNMEASURED", "page data, 1 page at 0x3000", []],
      ["PAGE_TYPE_SECRETS", "page data, 1 page at 0x4000", []],
      ["PAGE_TYPE_CPUID", "page data, 2 pages at 0x5000", []],
      ["PAGE_TYPE_VMSA", "vCPU 0", ["sha384"]],
    ]);
  });

  it("add parameters before page data that waits in QEMU, and in order elsewhere", () => {
    const area = { name: "PARAMETER_AREA", fields: { sizeBytes: 0x2000n, parameterAreaIndex: 3 } };
    const insert = { name: "PARAMETER_INSERT", fields: { gpa: 0x8000n, compatibilityMask: 1, parameterAreaIndex: 3 } };
    const headers = [area, page(0x1000, A), page(0x2000, B), insert, page(0x3000, A), context(BSP)];
    const parameters = [
      [4, 0x8000],
      [4, 0x9000],
    ] as const;
    const vcpu = [2, VMSA_GPA, BSP] as const;
    expect(launch(headers, "qemu").launchDigest).toBe(
      chain([...parameters, [1, 0x1000, A], [1, 0x2000, B], [1, 0x3000, A], vcpu]),
    );
    expect(launch(headers, "openvmm").launchDigest).toBe(
      chain([[1, 0x1000, A], [1, 0x2000, B], ...parameters, [1, 0x3000, A], vcpu]),
    );
  });

  it("add page data that does not go on where the last ended before parameters that follow it", () => {
    const area = { name: "PARAMETER_AREA", fields: { sizeBytes: 0x1000n } };
    const insert = { name: "PARAMETER_INSERT", fields: { gpa: 0x8000n, compatibilityMask: 1 } };
    const vcpu = [2, VMSA_GPA, BSP] as const;
    for (const next of [page(0x3000, B), page(0x2000), page(0x2000, B, { flags: 4 })]) {
      const { fields, data } = next;
      const contents = data ?? ZERO;
      expect(launch([area, page(0x1000, A), next, insert, context(BSP)], "qemu").launchDigest).toBe(
        chain([[1, 0x1000, A], [4, 0x8000], [1, fields!["gpa"] as bigint, contents], vcpu]),
      );
    }
  });

  it("leave out shared pages, unless QEMU loads them", () => {
    const headers = [page(0x1000, A, { flags: 4 }), context(BSP)];
    expect(launch(headers, "openvmm").launchDigest).toBe(chain([[2, VMSA_GPA, BSP]]));
    expect(launch(headers, "qemu").launchDigest).toBe(
      chain([
        [1, 0x1000, A],
        [2, VMSA_GPA, BSP],
      ]),
    );
  });

  it("add large pages in small ones", () => {
    const pages = Array.from({ length: 512 }, (_, index) => [1, 0x20_0000 + index * 4096, ZERO] as const);
    expect(launch([page(0x20_0000, undefined, { flags: 1 }), context(BSP)], "qemu").launchDigest).toBe(
      chain([...pages, [2, VMSA_GPA, BSP]]),
    );
  });

  it("measure a context for each vCPU at the end, with what KVM sets; COCONUT's the first alone", () => {
    const plain = vmsaOf({ efer: 0n, cr4: 0n, rflags: 0n });
    const headers = [context(AP, { vpIndex: 1 }), context(plain), page(0x1000, A)];
    const first = [1, 0x1000, A] as const;
    expect(launch(headers, "qemu", 2).launchDigest).toBe(chain([first, [2, VMSA_GPA, BSP], [2, VMSA_GPA, AP]]));
    expect(launch(headers, "coconut-qemu", 2).launchDigest).toBe(chain([first, [2, VMSA_GPA, BSP]]));
    expect(launch(headers, "openvmm", 2).launchDigest).toBe(chain([[2, VMSA_GPA, AP], [2, VMSA_GPA, plain], first]));
  });

  it("tell the launch digest that an ID block demands", () => {
    const block = { name: "SNP_ID_BLOCK", fields: { compatibilityMask: 1, launchDigest: Buffer.alloc(48, 7) } };
    expect(launch([context(BSP), block], "qemu").idBlockLaunchDigest).toBe("07".repeat(48));
    expect(launch([context(BSP)], "qemu").idBlockLaunchDigest).toBeUndefined();
  });

  it.each([
    [
      "a platform that is not SEV-SNP",
      () => predictIgvmLaunch(readIgvm(makeIgvm([platform("TDX", 1), page(0, A)])), { loader: "qemu" }),
    ],
    ["too few contexts", () => launch([context(BSP)], "qemu", 2)],
    ["no context", () => launch([page(0, A)], "coconut-qemu")],
    ["a context at another address", () => launch([context(BSP, { gpa: 0n })], "qemu")],
    ["CR0 that KVM changes", () => launch([context(vmsaOf({ cr0: 0x6000_0010n }))], "qemu")],
    ["SEV_FEATURES without SNP", () => launch([context(vmsaOf({ sevFeatures: 0n }))], "qemu")],
    ["registers that QEMU does not hand on", () => launch([context(vmsaOf({ virtualTom: 1n << 46n }))], "qemu")],
    ["a large page with data", () => launch([page(0, Buffer.alloc(1 << 21), { flags: 1 }), context(BSP)], "qemu")],
    ["no vCPU", () => launch([context(BSP)], "qemu", -1)],
  ] as const)("are not predicted with %s", (_, predict) => {
    expect(predict).toThrow(/^cannot predict a launch/);
  });
});

describe.skipIf(!existsSync(VECTORS))(
  "launches from IGVM files, with the pages of a firmware whose launch is known",
  () => {
    const firmware = () => gunzipSync(readFileSync(join(VECTORS, "firmware/sid-ovmf-generic-2026.08-OVMF.fd.gz")));

    it("have the launch digest of sev-snp-measure", () => {
      interface Case {
        mode: string;
        vmm: string;
        ovmf: string;
        vcpu_type: string;
        vcpus: number;
        kernel: string | null;
        expected: string;
        guest_features: number;
      }
      const { cases } = JSON.parse(readFileSync(join(VECTORS, "sev-snp/expected.json"), "utf8")) as { cases: Case[] };
      const known = cases.filter(
        ({ mode, vmm, ovmf, vcpu_type, kernel, guest_features }) =>
          mode === "snp" &&
          vmm === "QEMU" &&
          ovmf.includes("sid-") &&
          vcpu_type === "EPYC-v4" &&
          kernel === null &&
          guest_features === 1,
      );
      expect(known.length).toBeGreaterThan(1);
      const image = firmware();
      const { metadata, resetEip } = readSevFirmware(image);
      const pages = Array.from({ length: image.length / 4096 }, (_, index) =>
        page(2 ** 32 - image.length + index * 4096, image.subarray(index * 4096, (index + 1) * 4096)),
      );
      const dataTypes: Partial<Record<number, number>> = {
        [SEV_METADATA_TYPES.SNP_SECRETS]: 1,
        [SEV_METADATA_TYPES.CPUID]: 2,
      };
      const prepared = metadata!.flatMap(({ gpa, sizeBytes, type }) =>
        Array.from({ length: sizeBytes / 4096 }, (_, index) =>
          page(gpa + index * 4096, undefined, { dataType: dataTypes[type] ?? 0 }),
        ),
      );
      const start = { vmm: "qemu", signature: 0x80_0f12, sevFeatures: 1n } as const;
      for (const { vcpus, expected } of known) {
        const contexts = Array.from({ length: vcpus }, (_, vpIndex) =>
          context(Vmsa.encode(initialVmsa(start, vpIndex === 0 ? undefined : resetEip)), { vpIndex }),
        );
        expect(launch([...pages, ...prepared, ...contexts], "vanadium").launchDigest).toBe(expected);
      }
    });

    it("have the MRTD of Google's verifier", () => {
      const known = JSON.parse(
        readFileSync(join(VECTORS, "tdx-mrtd/expected-google-gce-tcb-verifier.json"), "utf8"),
      ) as Record<string, { mrtd_default: string }>;
      const image = firmware();
      const pages = readTdvfMetadata(image)
        .sections.filter(({ isAugmented }) => !isAugmented)
        .flatMap((section) => {
          const content = Buffer.alloc(section.memoryDataSizeBytes);
          sectionBytes(image, section).copy(content);
          return Array.from({ length: content.length / 4096 }, (_, index) =>
            section.isExtended
              ? page(section.memoryAddress + index * 4096, content.subarray(index * 4096, (index + 1) * 4096))
              : page(section.memoryAddress + index * 4096, undefined, { flags: UNMEASURED }),
          );
        });
      const { mrtd, events } = predictIgvmMrtd(readIgvm(makeIgvm([platform("TDX", 1), ...pages])));
      expect(mrtd).toBe(known["sid-ovmf-generic-2026.08-OVMF.fd"]!.mrtd_default);
      expect(events).toHaveLength(pages.length);
    });
  },
);

describe("MRTD from IGVM files", () => {
  it("adds parameters by their addresses, pages without data as zeros, and no shared page", () => {
    const hash = createHash("sha384");
    const step = (leaf: string, gpa: number, data = Buffer.alloc(0)) => {
      const head = Buffer.alloc(128);
      head.write(leaf);
      head.writeBigUInt64LE(BigInt(gpa), 16);
      hash.update(head).update(data);
    };
    step("MEM.PAGE.ADD", 0x1000);
    for (let chunk = 0; chunk < 16; chunk++) step("MR.EXTEND", 0x1000 + chunk * 256, Buffer.alloc(256));
    step("MEM.PAGE.ADD", 0x8000);
    const file = makeIgvm([
      platform("TDX", 1),
      { name: "PARAMETER_AREA", fields: { sizeBytes: 0x1000n } },
      page(0x1000),
      page(0x2000, A, { flags: 4 }),
      page(0x3000, A, { compatibilityMask: 2 }),
      { name: "PARAMETER_INSERT", fields: { gpa: 0x8000n, compatibilityMask: 1 } },
    ]);
    expect(predictIgvmMrtd(readIgvm(file)).mrtd).toBe(hash.digest("hex"));
  });

  it("is of files for TDX alone", () => {
    expect(() => predictIgvmMrtd(readIgvm(makeIgvm([SNP, page(0, A)])))).toThrow(
      "cannot predict a launch from an IGVM file: expected one for TDX, got SEV_SNP",
    );
    const far = makeIgvm([platform("TDX", 1), page(1n << 60n, A)]);
    expect(() => predictIgvmMrtd(readIgvm(far))).toThrow("addresses of 52 bits");
  });
});
