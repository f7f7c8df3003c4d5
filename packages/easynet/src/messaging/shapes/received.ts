import type { ReceivedMessage } from "../delivery/types.ts";

/** What the shapes use of a received message: also made of rows, and of messages that did not leave this node. */
export type Received = Pick<
  ReceivedMessage,
  | "sender"
  | "id"
  | "kind"
  | "payload"
  | "priority"
  | "durability"
  | "attempt"
  | "sentAtMs"
  | "expiresAtMs"
  | "from"
  | "to"
  | "correlationId"
>;

/** The same with other fields; what the delivery hands over reads its fields when they are asked for. */
export function withFields(received: Received, fields: Partial<Received>): Received {
  const { sender, id, kind, payload, priority, durability, attempt, sentAtMs, expiresAtMs, from, to } = received;
  const about = { sender, id, kind, payload, priority, durability, attempt, sentAtMs, expiresAtMs, from, to };
  return { ...about, correlationId: received.correlationId, ...fields };
}
