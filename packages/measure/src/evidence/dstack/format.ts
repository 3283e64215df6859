/** Type of the events that dstack itself extends into RTMR 3. @see dstack, cc-eventlog, "DSTACK_RUNTIME_EVENT_TYPE" */
export const RUNTIME_EVENT_TYPE = 0x0800_0001;

/** First byte of a binary attestation: SCALE, and no other version has it. @see dstack, dstack-attest, "VersionedAttestation" */
export const VERSION_0 = 0;

/** Second byte of a binary attestation: what is in it. @see as above, "AttestationQuote" */
export const VARIANTS = { tdx: 0, gcpTdx: 1, nitroEnclave: 2, snp: 3, nitroTpm: 4 } as const;

/** No log has more events, and no name is longer. */
export const DSTACK_LIMITS = { events: 4096, nameBytes: 256, sizeBytes: 1 << 24 } as const;
