import type { Did } from "../../identity/index.ts";
import { formatId } from "../../kernel/index.ts";
import { PRIORITIES, type Priority } from "../../model/index.ts";
import { DURABILITIES } from "./batch-layout.ts";
import type { BatchMessage } from "./batch-reader.ts";
import type { MessageDurability, ReceivedMessage } from "./types.ts";

/** Where and when a message came. */
export interface Arrival {
  readonly sender: Did;
  readonly epoch: number;
  readonly lane: number;
  readonly durability: number;
  /** This node's wall clock. */
  readonly sentAtMs: number;
}

/** A message for its handler: texts are made when they are read. */
export class Received implements ReceivedMessage {
  readonly sequence: number;
  readonly attempt: number;
  readonly #arrival: Arrival;
  readonly #message: BatchMessage;

  constructor(arrival: Arrival, message: BatchMessage, at: { readonly sequence: number; readonly attempt: number }) {
    this.#arrival = arrival;
    this.#message = message;
    this.sequence = at.sequence;
    this.attempt = at.attempt;
  }

  get sender(): Did {
    return this.#arrival.sender;
  }

  get epoch(): number {
    return this.#arrival.epoch;
  }

  get priority(): Priority {
    return PRIORITIES[this.#arrival.lane] ?? "normal";
  }

  get durability(): MessageDurability {
    return DURABILITIES[this.#arrival.durability] ?? "disk";
  }

  get sentAtMs(): number {
    return this.#arrival.sentAtMs;
  }

  get expiresAtMs(): number {
    return this.#arrival.sentAtMs + this.#message.lifetimeMs;
  }

  get kind(): string {
    return this.#message.kind;
  }

  get payload(): Uint8Array {
    return this.#message.payload;
  }

  get id(): string {
    return formatId(this.#message.id);
  }

  get correlationId(): string | undefined {
    const { correlationId } = this.#message;
    return correlationId && formatId(correlationId);
  }

  get trace(): string | undefined {
    return this.#message.texts[0];
  }

  get cause(): string | undefined {
    return this.#message.texts[1];
  }

  get session(): string | undefined {
    return this.#message.texts[2];
  }

  get from(): string | undefined {
    return this.#message.texts[3];
  }

  get to(): string | undefined {
    return this.#message.texts[4];
  }
}
