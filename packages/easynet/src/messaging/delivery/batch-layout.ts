import type { MessageDurability } from "./types.ts";

/** Before the batch in its frame: version, age, and what the batch comes after. */
export const PREFIX_BYTES = 1 + 6 + 6 + 6;
/** Version, lane, durability, epoch, first sequence, count, wall clock of the sender. */
export const BATCH_HEADER_BYTES = 1 + 1 + 1 + 6 + 6 + 2 + 6;
export const BATCH_VERSION = 1;
/** The same with the sender's signature behind its last message. */
export const SIGNED_BATCH_VERSION = 2;
/** Ed25519. */
export const SIGNATURE_BYTES = 64;

/** By their number on the wire; a later one survives more. */
export const DURABILITIES: readonly MessageDurability[] = ["volatile", "process", "disk"];

/** Bits of a message's first byte; a field whose bit is not set is absent. Further bits are refused. */
export const FLAG = { correlationId: 1, trace: 2, cause: 4, session: 8, from: 16, to: 32 } as const;
export const FLAGS_ALL = 63;

/** The texts of a message in the order in which they are written. */
export const TEXT_FIELDS = ["trace", "cause", "session", "from", "to"] as const;
