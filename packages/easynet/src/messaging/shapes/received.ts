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
