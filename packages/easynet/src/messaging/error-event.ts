import type { EasynetError, ErrorDetails } from "../kernel/index.ts";
import { encodeEvent } from "./event-codec.ts";
import { ERROR_EVENT_BYTES_MAX } from "./limits.ts";

/** Characters kept of each text when an error is too large: 4 texts of 4-byte characters fit the limit. */
const TEXT_LENGTH_MAX = 500;
const DETAILS_COUNT_MAX = 4;

/** The last event of a failed exchange, cut to ERROR_EVENT_BYTES_MAX because it may overrun the window. */
export function encodeErrorEvent(error: EasynetError): Uint8Array {
  const { code, message, retryable, details } = error.toJSON();
  const bytes = encodeEvent({ type: "error", error: { code, message, retryable, details } });
  if (bytes.length <= ERROR_EVENT_BYTES_MAX) return bytes;
  const cut = { code, message: message.slice(0, TEXT_LENGTH_MAX), retryable, details: cutDetails(details) };
  return encodeEvent({ type: "error", error: cut });
}

function cutDetails(details: ErrorDetails): ErrorDetails {
  const kept = Object.entries(details).slice(0, DETAILS_COUNT_MAX);
  return Object.fromEntries(
    kept.map(([name, value]) => [
      name.slice(0, 120),
      typeof value === "string" ? value.slice(0, TEXT_LENGTH_MAX) : value,
    ]),
  );
}
