import { EasynetError, parseId } from "../../kernel/index.ts";
import { priorityRank } from "../../model/index.ts";
import { DURABILITIES, FLAG, TEXT_FIELDS } from "./batch-layout.ts";
import { KIND_BYTES_MAX, LIFETIME_MS_DEFAULT, LIFETIME_MS_MAX, PAYLOAD_BYTES_MAX, TEXT_BYTES_MAX } from "./limits.ts";
import type { OutgoingMessage } from "./types.ts";

/** A message whose every field has a form in a batch. */
export interface CheckedMessage {
  readonly kind: string;
  readonly payload: Uint8Array;
  readonly lane: number;
  readonly durability: number;
  readonly lifetimeMs: number;
  readonly id: Uint8Array | undefined;
  readonly correlationId: Uint8Array | undefined;
  readonly flags: number;
  /** In the order of TEXT_FIELDS. */
  readonly texts: readonly (string | undefined)[];
  readonly signed: boolean;
  /** What its variable fields need at most, without the payload. */
  readonly textBytes: number;
}

const NO_TEXTS: readonly (string | undefined)[] = [];

/** @throws {EasynetError} INVALID_ARGUMENT, MESSAGE_TOO_LARGE */
export function checkMessage(message: OutgoingMessage): CheckedMessage {
  const { kind, payload, priority = "normal", durability = "disk", expiresInMs = LIFETIME_MS_DEFAULT } = message;
  if (!(payload instanceof Uint8Array)) throw refused("its payload is not bytes");
  if (payload.length > PAYLOAD_BYTES_MAX) {
    throw new EasynetError("MESSAGE_TOO_LARGE", { bytes: payload.length, bytesMax: PAYLOAD_BYTES_MAX });
  }
  if (typeof kind !== "string") throw refused("its kind is not a text");
  // Every character of UTF-16 becomes at most three bytes.
  const kindBytes = kind.length * 3 <= KIND_BYTES_MAX ? kind.length * 3 : Buffer.byteLength(kind);
  if (kindBytes < 1 || kindBytes > KIND_BYTES_MAX) throw refused(`its kind has not 1 to ${KIND_BYTES_MAX} bytes`);
  if (!(expiresInMs > 0)) throw refused("it is to expire before it is sent");
  const lane = priorityRank(priority);
  const durabilityRank = DURABILITIES.indexOf(durability);
  if (lane < 0 || durabilityRank < 0) throw refused("its priority or durability is not known");
  const texts = textsOf(message);
  const { correlationId, id } = message;
  const correlation = correlationId === undefined ? undefined : idBytes(correlationId);
  let flags = correlation ? FLAG.correlationId : 0;
  let textBytes = kindBytes + 1 + (correlation ? 16 : 0);
  for (let index = 0; index < texts.length; index++) {
    const text = texts[index];
    if (text === undefined) continue;
    flags |= FLAG.trace << index;
    textBytes += 1 + Buffer.byteLength(text);
  }
  return {
    kind,
    payload,
    lane,
    durability: durabilityRank,
    lifetimeMs: Math.min(Math.ceil(expiresInMs), LIFETIME_MS_MAX),
    id: id === undefined ? undefined : idBytes(id),
    correlationId: correlation,
    flags,
    texts,
    signed: message.signed === true,
    textBytes,
  };
}

function textsOf(message: OutgoingMessage): readonly (string | undefined)[] {
  const { trace, cause, session, from, to } = message;
  if (trace === undefined && cause === undefined && session === undefined && from === undefined && to === undefined) {
    return NO_TEXTS;
  }
  const texts = [trace, cause, session, from, to];
  for (const [index, text] of texts.entries()) {
    if (text === undefined) continue;
    if (typeof text !== "string" || Buffer.byteLength(text) > TEXT_BYTES_MAX || !text.isWellFormed()) {
      throw refused(`its field ${TEXT_FIELDS[index]} is not a text of at most ${TEXT_BYTES_MAX} bytes`);
    }
  }
  return texts;
}

function idBytes(text: string): Uint8Array {
  const bytes = parseId(text);
  if (!bytes) throw refused("an id of it is not a UUID");
  return bytes;
}

function refused(reason: string): EasynetError {
  return new EasynetError("INVALID_ARGUMENT", { subject: "A message", reason });
}
