import type { Budget, Priority } from "../model/index.ts";
import type { Lane } from "./lanes.ts";

/**
 * What travels with every task and message. Fields of later layers are carried from the first version on, so that
 * no protocol change is needed when those layers start to use them.
 */
export interface Envelope {
  /** UUIDv7; also the idempotency key. */
  readonly id: string;
  /** did:key of the sender. */
  readonly from: string;
  /** did:key of the recipient; absent = all. */
  readonly to?: string;
  /** What kind of message, e.g. `task`. */
  readonly kind: string;
  /** W3C Trace Context `traceparent`. */
  readonly trace?: string;
  /** Id of the message that caused this one. */
  readonly cause?: string;
  readonly session?: string;
  readonly createdAtMs: number;
  /** Absolute, Unix epoch ms. */
  readonly deadlineAtMs?: number;
  readonly priority: Priority;
  /** Forwarding steps still allowed, 0..16. */
  readonly hopsLeft: number;
  /** How many delegations led here, 0 for a person's own call. */
  readonly depth: number;
  readonly budget?: Budget;
  /** UCAN delegation, DAG-CBOR bytes. */
  readonly grant?: Uint8Array;
  readonly lane: Lane;
  /** Per sender, epoch and lane, from 1. */
  readonly sequence: number;
  /** Random number of the sender's process start. */
  readonly epoch: number;
}
