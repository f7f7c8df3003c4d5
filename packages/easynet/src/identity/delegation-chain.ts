/**
 * Several delegations as one piece of bytes: a CBOR array (RFC 8949) of byte strings, the root key's first. A single one
 * travels as it is. The two cannot be taken for one another: a delegation begins 82 58 40, a chain 8n 59.
 */
/** Delegations in one membership; 8 of 350 bytes stay below DELEGATION_BYTES_MAX, and cost 1 ms to verify. */
export const MEMBERSHIP_DELEGATIONS_COUNT_MAX = 8;

const ARRAY = 0x80;
/** CBOR: a byte string whose length, 256 to 65,535, follows in two bytes. */
const BYTES_16 = 0x59;

/** @param delegations each of 256 to 65,535 bytes, as all are */
export function joinDelegations(delegations: readonly Uint8Array[]): Uint8Array {
  const [only] = delegations;
  if (only && delegations.length === 1) return only;
  const parts = delegations.flatMap((bytes) => [Uint8Array.of(BYTES_16, bytes.length >> 8, bytes.length & 255), bytes]);
  return Uint8Array.from(Buffer.concat([Uint8Array.of(ARRAY + delegations.length), ...parts]));
}

/** What is no chain comes back whole, for the check of a single delegation to refuse. */
export function splitDelegations(bytes: Uint8Array): readonly Uint8Array[] {
  const count = (bytes[0] ?? 0) - ARRAY;
  if (bytes[1] !== BYTES_16 || count < 2 || count > MEMBERSHIP_DELEGATIONS_COUNT_MAX) return [bytes];
  const delegations: Uint8Array[] = [];
  let at = 1;
  while (at < bytes.length && delegations.length < count) {
    const length = ((bytes[at + 1] ?? 0) << 8) | (bytes[at + 2] ?? 0);
    if (bytes[at] !== BYTES_16 || length < 256 || at + 3 + length > bytes.length) return [bytes];
    delegations.push(bytes.subarray(at + 3, at + 3 + length));
    at += 3 + length;
  }
  return at === bytes.length && delegations.length === count ? delegations : [bytes];
}
