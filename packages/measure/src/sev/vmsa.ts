import { type FieldType, raw, record, u16le, u32le, u64le, u8, type ValueOf } from "@cvm-build/bytes";

/** A segment register. @see AMD64 APM, volume 2, table B-4 */
const Segment = record("VmcbSegment", 16, {
  selector: [0x00, u16le],
  attributes: [0x02, u16le],
  limit: [0x04, u32le],
  base: [0x08, u64le],
});
/** A segment register of a save area. */
export type Segment = ValueOf<typeof Segment>;

const segment: FieldType<Segment> = {
  name: "VmcbSegment",
  sizeBytes: Segment.sizeBytes,
  put: (view, offset, value) => void Segment.encode(value).copy(view, offset),
  get: (view, offset) => Segment.decode(view, offset),
  refuse: () => undefined,
  show: ({ selector, attributes, limit, base }) =>
    `${selector.toString(16)} ${attributes.toString(16)} ${limit.toString(16)} ${base.toString(16)}`,
};

/**
 * The save area of a vCPU, of which SEV-ES and SEV-SNP measure what it starts with: one page.
 * @see AMD64 APM, volume 2, table B-4, "VMSA Layout, State Save Area for SEV-ES"
 */
export const Vmsa = record("VMSA", 4096, {
  es: [0x000, segment],
  cs: [0x010, segment],
  ss: [0x020, segment],
  ds: [0x030, segment],
  fs: [0x040, segment],
  gs: [0x050, segment],
  gdtr: [0x060, segment],
  ldtr: [0x070, segment],
  idtr: [0x080, segment],
  tr: [0x090, segment],
  shadowStacks: [0x0a0, raw(42)],
  vmpl: [0x0ca, u8],
  cpl: [0x0cb, u8],
  reserved0cc: [0x0cc, raw(4)],
  efer: [0x0d0, u64le],
  reserved0d8: [0x0d8, raw(104)],
  xss: [0x140, u64le],
  cr4: [0x148, u64le],
  cr3: [0x150, u64le],
  cr0: [0x158, u64le],
  dr7: [0x160, u64le],
  dr6: [0x168, u64le],
  rflags: [0x170, u64le],
  rip: [0x178, u64le],
  debugRegisters: [0x180, raw(64)],
  reserved1c0: [0x1c0, raw(24)],
  rsp: [0x1d8, u64le],
  shadowStackState: [0x1e0, raw(24)],
  rax: [0x1f8, u64le],
  systemCallRegisters: [0x200, raw(64)],
  cr2: [0x240, u64le],
  reserved248: [0x248, raw(32)],
  gPat: [0x268, u64le],
  branchRecords: [0x270, raw(40)],
  reserved298: [0x298, raw(80)],
  pkru: [0x2e8, u32le],
  tscAux: [0x2ec, u32le],
  reserved2f0: [0x2f0, raw(24)],
  rcx: [0x308, u64le],
  rdx: [0x310, u64le],
  rbx: [0x318, u64le],
  reserved320: [0x320, u64le],
  rbp: [0x328, u64le],
  rsi: [0x330, u64le],
  rdi: [0x338, u64le],
  r8to15: [0x340, raw(64)],
  reserved380: [0x380, raw(16)],
  guestExit: [0x390, raw(32)],
  sevFeatures: [0x3b0, u64le],
  virtualInterruptControl: [0x3b8, u64le],
  guestExitCode: [0x3c0, u64le],
  virtualTom: [0x3c8, u64le],
  tlbId: [0x3d0, u64le],
  pcpuId: [0x3d8, u64le],
  eventInjection: [0x3e0, u64le],
  xcr0: [0x3e8, u64le],
  reserved3f0: [0x3f0, raw(16)],
  x87Dp: [0x400, u64le],
  mxcsr: [0x408, u32le],
  x87Ftw: [0x40c, u16le],
  x87Fsw: [0x40e, u16le],
  x87Fcw: [0x410, u16le],
  x87Fop: [0x412, u16le],
  x87Selectors: [0x414, u32le],
  x87Rip: [0x418, u64le],
  registers: [0x420, raw(592)],
  unused: [0x670, raw(2448)],
});
/** The registers of a vCPU that are measured. */
export type Vmsa = ValueOf<typeof Vmsa>;

/** A save area in which all is zero but `values`. */
export function vmsaWith(values: Partial<Vmsa>): Vmsa {
  return { ...Vmsa.decode(Buffer.alloc(Vmsa.sizeBytes)), ...values };
}
