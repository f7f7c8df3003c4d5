import { EasynetError } from "../kernel/index.ts";
import { decodeValue, encodeValue, type Envelope } from "../wire/index.ts";

export function encodeEnvelope(envelope: Envelope): Uint8Array {
  return encodeValue(envelope);
}

/** @throws {EasynetError} FRAME_MALFORMED */
export function decodeEnvelope(bytes: Uint8Array): Envelope {
  const value = decodeValue(bytes);
  if (!isEnvelope(value)) throw new EasynetError("FRAME_MALFORMED", { reason: "an envelope is not an object" });
  return value;
}

function isEnvelope(value: unknown): value is Envelope {
  return typeof value === "object" && value !== null && "id" in value && "priority" in value;
}
