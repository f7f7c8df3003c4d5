import { type Did, parseDid } from "../../identity/index.ts";
import { decodeValue, encodeValue } from "../../wire/index.ts";
import type { BatchRange, Position } from "./position.ts";
import type { LaneSnapshot } from "./inbox-core.ts";

/** Spaces of the store that delivery owns. */
export const SPACES = {
  /** Batches that peers have not acknowledged. */
  outbox: "message-outbox",
  /** Batches taken and not handled: arrival's wall clock (u48, Unix epoch ms when it was sent), then the batch. */
  inbox: "message-inbox",
  /** What is taken and handled, for each (sender, lane). */
  positions: "message-positions",
  dead: "message-dead",
  /** Signed batches that were handled, by arrival: did of the sender, then the batch. */
  signed: "message-signed",
} as const;

const DIGITS = 15;
/** Before the batch in a row of the inbox. */
export const INBOX_ROW_PREFIX_BYTES = 6;

/** Sorts by peer, lane, epoch and sequence. */
export function batchKey(peer: Did, lane: number, { epoch, first }: BatchRange): string {
  return `${peer} ${lane} ${String(epoch).padStart(DIGITS, "0")} ${String(first).padStart(DIGITS, "0")}`;
}

export function positionKey(peer: Did, lane: number): string {
  return `${peer} ${lane}`;
}

/** Undefined for a key that is none of ours. */
export function peerOfKey(key: string): { readonly peer: Did; readonly lane: number } | undefined {
  const [did = "", lane] = key.split(" ");
  if (lane === undefined || !/^[0-3]$/.test(lane)) return undefined;
  try {
    return { peer: parseDid(did), lane: Number(lane) };
  } catch {
    return undefined;
  }
}

export function encodePositions({ received, processed }: LaneSnapshot): Uint8Array {
  return encodeValue([received.epoch, received.sequence, processed.epoch, processed.sequence]);
}

/** Undefined for bytes that are none of ours. */
export function decodePositions(bytes: Uint8Array): LaneSnapshot | undefined {
  let values: unknown;
  try {
    values = decodeValue(bytes);
  } catch {
    return undefined;
  }
  if (!Array.isArray(values) || values.length !== 4) return undefined;
  const [receivedEpoch, received, processedEpoch, processed] = values.map((value: unknown) =>
    typeof value === "number" && Number.isSafeInteger(value) && value >= 0 ? value : undefined,
  );
  const settled = positionOf(receivedEpoch, received);
  const done = positionOf(processedEpoch, processed);
  return settled && done && { received: settled, processed: done };
}

function positionOf(epoch: number | undefined, sequence: number | undefined): Position | undefined {
  return epoch === undefined || sequence === undefined ? undefined : { epoch, sequence };
}
