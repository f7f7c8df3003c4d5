import { isEasynetError } from "../../kernel/index.ts";

const HOPELESS = new Set(["MESSAGE_UNKNOWN", "PAYLOAD_INVALID"]);

/**
 * Whether what a handler threw says that it will never be otherwise: nobody handles the kind here, or the payload does not
 * fit it. What another node told the handler says nothing of this message.
 */
export function isHopeless(thrown: unknown): boolean {
  return isEasynetError(thrown) && HOPELESS.has(thrown.code) && thrown.details["peerId"] === undefined;
}
