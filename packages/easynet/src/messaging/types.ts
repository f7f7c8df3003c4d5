import type { Did } from "../identity/index.ts";
import type { AgentEvent, TaskInput } from "../model/index.ts";
import type { Envelope } from "../wire/index.ts";

/** A task on its way to a provider. */
export interface ExchangeRequest {
  readonly envelope: Envelope;
  /** Which agent of the provider, by did; absent = any that offers the capability. */
  readonly agent?: string;
  readonly capability: string;
  readonly input: TaskInput;
  /** Earlier turns, output schema and the like; MessagePack values. */
  readonly extras?: Readonly<Record<string, unknown>>;
  /** Set for a task that the provider stores; absent for one that lives and dies with the link. */
  readonly task?: TaskOpening;
}

/** What the opening of a stored task asks for. */
export interface TaskOpening {
  /** True: the provider begins the task unless it has it already. False: only what it has. */
  readonly start: boolean;
  /** Number of the last event that the caller has seen; 0 = none. The provider goes on after it. */
  readonly cursor: number;
}

export interface OpenOptions {
  readonly signal?: AbortSignal;
  /**
   * Called once, before the first event, when the provider says that it stores the task. @param cursor number of the
   * event before the first one that follows
   */
  readonly onAccepted?: (cursor: number) => void;
}

/**
 * The caller's side: the provider's events, ending with `final` or `error`, or a thrown EasynetError of the way. Of a
 * stored task every `error` event is the outcome; what ends only this exchange is thrown.
 */
export interface Exchange extends AsyncIterable<AgentEvent> {
  readonly peer: Did;
  /** True once the provider sent anything for this exchange. */
  readonly answered: boolean;
  /** Tells the provider to stop; the iteration ends with its last events or CANCELLED. */
  cancel(reason: string): void;
}

/** The provider's side. */
export interface IncomingExchange {
  readonly from: Did;
  readonly request: ExchangeRequest;
  /** Aborts when the caller cancels, its deadline passes, or its link ends. */
  readonly signal: AbortSignal;
  /** Sends one event; resolves when the caller has room for the next one. After `final` or `error` it is closed. */
  send(event: AgentEvent): Promise<void>;
  /** Tells the caller that its task is stored; before the first event. @param cursor number of the event before it */
  accept(cursor: number): void;
}

/** One task = one exchange: input out, events back, with credits, chunks, cancellation and deadlines. */
export interface Exchanges {
  /** @throws {EasynetError} PEER_UNREACHABLE, BACKPRESSURE, INPUT_TOO_LARGE */
  open(to: Did, request: ExchangeRequest, options?: OpenOptions): Exchange;
  /** One handler for all incoming exchanges. It may throw: the caller then gets an `error` event. */
  serve(handler: (exchange: IncomingExchange) => Promise<void>): void;
  /** Exchanges open now, both directions. */
  readonly openCount: number;
  /** Of these, those with one peer. */
  openWith(peer: Did): number;
  /** Ends all exchanges with NODE_STOPPING. */
  close(): void;
}
