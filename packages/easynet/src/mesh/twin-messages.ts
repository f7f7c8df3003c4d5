import type { Did } from "../identity/index.ts";
import { EasynetError } from "../kernel/index.ts";
import { decodeValue, encodeValue } from "../wire/index.ts";
import type { Life } from "./twin-core.ts";
import type { TwinReport } from "./types.ts";

const ADDRESS_LENGTH_MAX = 256;

/** Ends the link of the process that started later, and tells it why. */
export function twinError(did: Did, other: Life): EasynetError {
  return new EasynetError("DUPLICATE_IDENTITY", {
    peer: did,
    reason: `the other one started earlier, at ${other.address}`,
    otherAddress: other.address,
    otherStartedAtMs: other.startedAtMs,
  });
}

/** What such an end says to the process that it is about; undefined when it is about somebody else. */
export function reportOfError(error: EasynetError, self: Did): TwinReport | undefined {
  const { peer, otherAddress, otherStartedAtMs } = error.details;
  if (error.code !== "DUPLICATE_IDENTITY" || peer !== self) return undefined;
  return {
    address: typeof otherAddress === "string" ? otherAddress.slice(0, ADDRESS_LENGTH_MAX) : "",
    otherStartedAtMs: typeof otherStartedAtMs === "number" ? otherStartedAtMs : 0,
    steppedBack: true,
  };
}

/** Tells the process that is kept about the other one. */
export function encodeTwinNotice(other: Life): Uint8Array {
  return encodeValue([other.address, other.startedAtMs]);
}

/** @throws {EasynetError} FRAME_MALFORMED */
export function decodeTwinNotice(body: Uint8Array): TwinReport {
  const fields = decodeValue(body);
  const [address, otherStartedAtMs]: unknown[] = Array.isArray(fields) ? fields : [];
  if (typeof address !== "string" || typeof otherStartedAtMs !== "number") {
    throw new EasynetError("FRAME_MALFORMED", { reason: "a notice of a second process cannot be read" });
  }
  return { address: address.slice(0, ADDRESS_LENGTH_MAX), otherStartedAtMs, steppedBack: false };
}
