/** How a message of a topic looks on NATS: a subject, a few headers, and JSON that any other client can read and write. */
import { createHash } from "node:crypto";

/** One message of a topic, on either side of a bridge. */
export interface BridgedMessage {
  /** A UUID: what comes twice under one id is one message. */
  readonly id: string;
  readonly kind: string;
  readonly topic: string;
  /** What JSON can hold; anything else does not survive the way. */
  readonly payload: unknown;
  /** Who speaks; `nats:STREAM` for what came over a bridge. */
  readonly from: string | undefined;
}

/** Headers beside `Nats-Msg-Id`, which is JetStream's own and makes it drop what comes twice. */
export const HEADERS = {
  id: "Nats-Msg-Id",
  kind: "Easynet-Kind",
  network: "Easynet-Network",
  from: "Easynet-From",
} as const;

/** Kind of what a client of NATS published without saying one. */
export const FOREIGN_KIND = "nats-message";

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/** A topic as one token of a subject: what has a meaning there (dots, wildcards, spaces) is written `=XX` in hex. */
export function subjectOf(prefix: string, topic: string): string {
  const token = topic.replaceAll(/[^A-Za-z0-9_-]/gu, (character) =>
    [...Buffer.from(character)].map((byte) => `=${byte.toString(16).toUpperCase().padStart(2, "0")}`).join(""),
  );
  return `${prefix}.${token}`;
}

/** The UUID of a message: what the publisher named, or one made from its name or place, the same at every delivery. */
export function idOf(named: string, place: { readonly stream: string; readonly sequence: number }): string {
  if (UUID.test(named)) return named.toLowerCase();
  const source = named === "" ? `place ${place.stream} ${place.sequence}` : `name ${place.stream} ${named}`;
  const hex = createHash("sha256").update(`easynet nats ${source}`).digest("hex");
  // Version 8: a UUID of one's own making (RFC 9562 section 5.8).
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-a${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}

/** The `from` of what came over a bridge, by which it is not sent back. */
export function originOf(stream: string): string {
  return `nats:${stream}`;
}
