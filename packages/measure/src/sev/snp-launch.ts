import { CvmError } from "@cvm-build/bytes";
import type { MeasuredEvent } from "../event.ts";
import {
  PAGE_BYTES,
  readSevFirmware,
  SEV_METADATA_TYPES,
  type SevFirmware,
  type SevMetadataItem,
} from "../firmware/sev-metadata.ts";
import {
  describeHashes,
  hashKernelInputs,
  hashTablePages,
  type KernelHashes,
  type KernelHashInputs,
  noRoomForHashes,
} from "./kernel-hashes.ts";
import { missing } from "./launch-error.ts";
import { addRegion, EMPTY_LAUNCH_DIGEST, type Launch, type LaunchRegion, regionEvent } from "./launch-pages.ts";
import { checkCount, describeVmsa, type VcpuOptions, vcpuStart } from "./vcpus.ts";
import { initialVmsa, svsmVmsa, type VcpuStart, type VmmKind, vmmRules } from "./vmm.ts";
import { Vmsa } from "./vmsa.ts";

/** Firmware whose pages are measured already, or of which only the launch digest after its pages is known. */
export interface MeasuredFirmware extends SevFirmware {
  /** Lower-case hex. */
  launchDigest: string;
  /** What its pages are to `explain`. */
  event?: MeasuredEvent;
  /** Of the file, below which an SVSM is put. */
  sizeBytes?: number;
}

/** A guest whose launch is predicted. */
export interface SnpLaunchOptions extends VcpuOptions {
  /** The file that is mapped below 4 GiB, code and variables where they are one; or what `measureFirmware` made of it. */
  firmware: Buffer | MeasuredFirmware;
  vcpus: number;
  /** Where QEMU hashes what it is given by `-kernel`. */
  kernelHashes?: KernelHashInputs;
  /** A raw SVSM below the firmware and its variables, as QEMU took it before IGVM. */
  svsm?: { image: Buffer; varsSizeBytes: number };
}

/** More than QEMU maps. */
const MAX_FIRMWARE_BYTES = 1 << 26;
const FOUR_GIB = 2 ** 32;

/**
 * The launch digest of an SEV-SNP guest that is started from OVMF.
 * @throws FormatError where the firmware's tables are malformed
 * @throws CvmError `sev-launch` where no such guest can be started, or what it would measure is not known
 * @see SEV-SNP Firmware ABI, 8.17, "SNP_LAUNCH_UPDATE"
 */
export function predictSnpLaunch(options: SnpLaunchOptions): Launch {
  const [launch] = predictSnpLaunches(options, [options.vcpus]);
  return launch!;
}

/**
 * The launch digests of one guest with each of several counts of vCPUs: all that comes before these is measured once.
 * @returns in the order of the counts
 */
export function predictSnpLaunches(options: Omit<SnpLaunchOptions, "vcpus">, counts: readonly number[]): Launch[] {
  for (const count of counts) checkCount(count);
  const before = options.svsm ? svsmRegions(options, options.svsm) : firmwareRegions(options);
  let current = before.start;
  for (const region of before.regions) current = addRegion(current, region);
  const events: MeasuredEvent[] = [...before.events, ...before.regions.map(regionEvent)];
  const values = [current];
  const most = Math.max(0, ...counts);
  const [bsp, ap] = vcpuPages(options, { ...before, most });
  for (let index = 0; index < most; index++) {
    const page = index === 0 ? bsp : ap!;
    current = addRegion(current, page.region);
    values.push(current);
    events.push({ ...page.event, label: `vCPU ${index}` });
  }
  return counts.map((count) => ({
    launchDigest: values[count]!.toString("hex"),
    events: events.slice(0, events.length - most + count),
  }));
}

interface Beginning {
  start: Buffer;
  /** Of what `start` holds already. */
  events: MeasuredEvent[];
  regions: LaunchRegion[];
  /** Whose reset block tells where vCPUs start. */
  firmware: SevFirmware;
  /** Where an SVSM starts. */
  svsmEip?: number;
}

/**
 * Measures firmware's pages, for launches that differ in all but these.
 * @param path what events call the file
 * @throws FormatError where its tables are malformed
 * @throws CvmError `sev-launch` where it cannot be mapped
 */
export function measureFirmware(image: Buffer, path?: string): MeasuredFirmware {
  const region = imageRegion(image, { end: FOUR_GIB, name: "firmware", ...(path !== undefined && { path }) });
  return {
    ...readSevFirmware(image),
    launchDigest: addRegion(EMPTY_LAUNCH_DIGEST, region).toString("hex"),
    event: regionEvent(region),
    sizeBytes: image.length,
  };
}

function firmwareRegions(options: Omit<SnpLaunchOptions, "vcpus">): Beginning {
  const { kernelHashes, vmm = "qemu" } = options;
  const firmware = measuredFirmware(options);
  const hashes = kernelHashes && hashKernelInputs(kernelHashes);
  return { ...startAfter(firmware), regions: metadataRegions(firmware, { vmm, hashes }), firmware };
}

function svsmRegions(
  options: Omit<SnpLaunchOptions, "vcpus">,
  { image, varsSizeBytes }: NonNullable<SnpLaunchOptions["svsm"]>,
): Beginning {
  const { vmm = "qemu", kernelHashes } = options;
  const ovmf = measuredFirmware(options);
  if (ovmf.sizeBytes === undefined || kernelHashes || !vmm.startsWith("qemu")) {
    throw new CvmError(
      "sev-launch",
      "cannot predict a launch with a raw SVSM: expected QEMU, firmware of known size and no kernel hashes",
      { hint: "SVSMs in IGVM files have no such limits" },
    );
  }
  const below = imageRegion(image, { end: FOUR_GIB - ovmf.sizeBytes - varsSizeBytes, name: "SVSM" });
  const firmware = readSevFirmware(image);
  if (firmware.svsmEntryOffset === undefined) throw missing("an SVSM that says where it starts");
  return {
    ...startAfter(ovmf),
    regions: [below, ...metadataRegions(firmware, { vmm, hashes: undefined })],
    firmware,
    svsmEip: Number(below.gpa) + firmware.svsmEntryOffset,
  };
}

function measuredFirmware({ firmware }: Pick<SnpLaunchOptions, "firmware">): MeasuredFirmware {
  return "launchDigest" in firmware ? firmware : measureFirmware(firmware);
}

/** The launch digest after the firmware's pages, and what stands for them. */
function startAfter({ launchDigest, event }: MeasuredFirmware): Pick<Beginning, "start" | "events"> {
  const unknown: MeasuredEvent = {
    register: "launchDigest",
    type: "PAGE_TYPE_NORMAL",
    label: "firmware, by the launch digest after its pages",
    digests: {},
    source: { constant: launchDigest },
  };
  return { start: Buffer.from(launchDigest, "hex"), events: [event ?? unknown] };
}

function imageRegion(data: Buffer, { end, name, path }: { end: number; name: string; path?: string }): LaunchRegion {
  if (end % PAGE_BYTES !== 0) throw missing(`room for the ${name} that ends with a page`, `0x${end.toString(16)}`);
  if (data.length === 0 || data.length % PAGE_BYTES !== 0 || data.length > Math.min(MAX_FIRMWARE_BYTES, end)) {
    throw missing(`${name} of whole pages, at most ${MAX_FIRMWARE_BYTES} bytes`, `${data.length} bytes`);
  }
  const source = path === undefined ? { constant: `the ${name} file` } : { file: path };
  return { type: "NORMAL", gpa: BigInt(end - data.length), sizeBytes: data.length, data, name, source };
}

const METADATA_NAMES = new Map<number, string>(
  Object.entries(SEV_METADATA_TYPES).map(([name, type]): [number, string] => [type, name]),
);

function metadataRegions(
  firmware: SevFirmware,
  { vmm, hashes }: { vmm: VmmKind; hashes: KernelHashes | undefined },
): LaunchRegion[] {
  const { metadata } = firmware;
  if (!metadata) throw missing("firmware with SEV metadata");
  if (metadata.some(({ sizeBytes }) => sizeBytes === 0)) {
    throw missing("firmware for SEV-SNP", "one that asks for no pages");
  }
  const { CPUID, SNP_KERNEL_HASHES } = SEV_METADATA_TYPES;
  if (hashes && !metadata.some(({ type }) => type === SNP_KERNEL_HASHES)) {
    throw noRoomForHashes("one that measures no page of them");
  }
  const isCpuid = ({ type }: SevMetadataItem) => type === CPUID;
  const ordered = vmmRules(vmm).cpuidLast
    ? [...metadata.filter((item) => !isCpuid(item)), ...metadata.filter(isCpuid)]
    : metadata;
  return ordered.map((item) => metadataRegion(item, { firmware, vmm, hashes }));
}

function metadataRegion(
  item: SevMetadataItem,
  context: { firmware: SevFirmware; vmm: VmmKind; hashes: KernelHashes | undefined },
): LaunchRegion {
  const { firmware, hashes } = context;
  const name = METADATA_NAMES.get(item.type) ?? `SEV metadata of type ${item.type}`;
  const region = { gpa: BigInt(item.gpa), sizeBytes: item.sizeBytes, name };
  const source = { constant: `${name} of the firmware's SEV metadata` };
  switch (item.type) {
    case SEV_METADATA_TYPES.SNP_SEC_MEM:
      return { ...region, type: vmmRules(context.vmm).secMem, source };
    case SEV_METADATA_TYPES.SNP_SECRETS:
      return { ...region, type: "SECRETS", source };
    case SEV_METADATA_TYPES.CPUID:
      return { ...region, type: "CPUID", source };
    case SEV_METADATA_TYPES.SNP_KERNEL_HASHES: {
      if (!hashes) return { ...region, type: "ZERO", source };
      const data = hashTablePages(hashes, { firmware, sizeBytes: item.sizeBytes });
      return { ...region, type: "NORMAL", data, source: { constant: describeHashes(hashes) } };
    }
    default:
      // QEMU adds pages of all other types, SVSM_CAA among them, as zero pages.
      return { ...region, type: "ZERO", source };
  }
}

interface VcpuPage {
  region: LaunchRegion;
  event: MeasuredEvent;
}

/** The save area of the first vCPU, and that of each other. */
function vcpuPages(
  options: VcpuOptions,
  { firmware, svsmEip, most }: { firmware: SevFirmware; svsmEip?: number; most: number },
): [bsp: VcpuPage, ap: VcpuPage | undefined] {
  const start = vcpuStart(options, BigInt(options.guestFeatures ?? 1));
  const page = (vmsa: Vmsa): VcpuPage => vcpuPage({ ...vmsa, ...options.registers }, start);
  if (svsmEip !== undefined) {
    const vcpu = page(svsmVmsa(start, svsmEip));
    return [vcpu, vcpu];
  }
  if (most > 1 && firmware.resetEip === undefined) throw missing("firmware that says where further vCPUs start");
  return [page(initialVmsa(start)), most > 1 ? page(initialVmsa(start, firmware.resetEip)) : undefined];
}

function vcpuPage(vmsa: Vmsa, { vmm }: VcpuStart): VcpuPage {
  const data = Vmsa.encode(vmsa);
  const region: LaunchRegion = {
    type: "VMSA",
    gpa: vmmRules(vmm).vmsaGpa,
    sizeBytes: data.length,
    data,
    name: "vCPU",
    source: { constant: describeVmsa(vmsa, vmm) },
  };
  return { region, event: regionEvent(region) };
}
