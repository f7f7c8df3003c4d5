/**
 * The frames that carry a connection through a member in the middle (docs/protocol/relay.md). A circuit has a number
 * on each link that it crosses, chosen by the end of that link that opened it; the frame's correlation holds it, and a
 * flag tells whose number it is.
 */
import { type Did, isDid } from "../identity/index.ts";
import { EasynetError } from "../kernel/index.ts";
import { decodeValue, encodeValue } from "../wire/index.ts";

/** The circuit's number was chosen by the receiver of this frame. */
export const RELAY_FLAG_YOURS = 1;

/** Why a circuit ended or was refused. */
export const RELAY_REASONS = [
  "ended",
  "relaying is off",
  "too many circuits",
  "no direct link to it",
  "it did not answer in time",
  "idle",
  "protocol broken",
  "refused",
] as const;
export type RelayReason = (typeof RELAY_REASONS)[number];

/** `carry`: connect me to `did`. `from`: `did` wants to reach you; only TLS inside proves that it is so. */
export interface RelayOpen {
  readonly role: "carry" | "from";
  readonly did: Did;
}

export function encodeRelayOpen({ role, did }: RelayOpen): Uint8Array {
  return encodeValue([role === "carry" ? 0 : 1, did]);
}

/** @throws {EasynetError} FRAME_MALFORMED */
export function decodeRelayOpen(body: Uint8Array): RelayOpen {
  const [role, did] = arrayOf(decodeValue(body));
  if ((role !== 0 && role !== 1) || typeof did !== "string" || !isDid(did)) throw malformed("a relay-open");
  return { role: role === 0 ? "carry" : "from", did };
}

export function encodeRelayCredit(bytes: number): Uint8Array {
  return encodeValue([bytes]);
}

/** @throws {EasynetError} FRAME_MALFORMED */
export function decodeRelayCredit(body: Uint8Array): number {
  const [bytes] = arrayOf(decodeValue(body));
  if (typeof bytes !== "number" || !Number.isInteger(bytes) || bytes <= 0) throw malformed("a relay-credit");
  return bytes;
}

export function encodeRelayClose(reason: RelayReason): Uint8Array {
  return encodeValue([RELAY_REASONS.indexOf(reason)]);
}

/** Reasons of later versions read as `refused`. @throws {EasynetError} FRAME_MALFORMED */
export function decodeRelayClose(body: Uint8Array): RelayReason {
  const [number] = arrayOf(decodeValue(body));
  if (typeof number !== "number") throw malformed("a relay-close");
  return RELAY_REASONS[number] ?? "refused";
}

function arrayOf(value: unknown): readonly unknown[] {
  if (Array.isArray(value)) return value;
  throw malformed("a relay frame");
}

function malformed(what: string): EasynetError {
  return new EasynetError("FRAME_MALFORMED", { reason: `${what} cannot be read` });
}
