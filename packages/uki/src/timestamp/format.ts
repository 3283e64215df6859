/** Content type of a time stamp. @see RFC 3161, 2.4.2 */
export const TST_INFO = "1.2.840.113549.1.9.16.1.4";
/** Purpose that the certificate of a time stamping authority states. @see RFC 3161, 2.3 */
export const TIME_STAMPING = "1.3.6.1.5.5.7.3.8";
/** `PKIStatus` with which a time stamp comes: granted, and granted with modifications. @see RFC 3161, 2.4.2 */
export const GRANTED: readonly number[] = [0, 1];
