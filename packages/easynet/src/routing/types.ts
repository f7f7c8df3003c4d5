import type { AgentEvent, Budget, ChatMessage, JsonSchema, Priority, TaskInput } from "../model/index.ts";

/** A call as the user states it; everything but capability and input is optional. */
export interface CallRequest {
  readonly capability: string;
  readonly input: TaskInput;
  /** Idempotency key and task id; made when absent. */
  readonly id?: string | undefined;
  /** Only this agent (name or did) or node (name or did). */
  readonly target?: string | undefined;
  /** @default 60,000 */
  readonly timeoutMs?: number | undefined;
  /** @default "normal" */
  readonly priority?: Priority | undefined;
  readonly budget?: Budget | undefined;
  readonly session?: string | undefined;
  readonly trace?: string | undefined;
  readonly cause?: string | undefined;
  /** Delegations that led here. @default 0 */
  readonly depth?: number | undefined;
  readonly conversationHistory?: readonly ChatMessage[] | undefined;
  readonly outputSchema?: JsonSchema | undefined;
}

/** What the network tells about a call beside the agent's own events. */
export type RoutedEvent =
  /** The provider that works on it from here on. */
  | {
      readonly type: "assigned";
      readonly taskId: string;
      readonly node: string;
      readonly nodeName: string;
      readonly agent: string;
      readonly attempt: number;
    }
  /** The provider has stored the task: it will end, whatever happens to the links and to this node. */
  | { readonly type: "accepted"; readonly taskId: string; readonly nodeName: string }
  /** The provider was lost or refused; another one is tried. Items already delivered are not repeated. */
  | { readonly type: "retried"; readonly nodeName: string; readonly code: string; readonly afterMs: number }
  | AgentEvent;

/** Chooses who works on a call, locally or far away, and carries it out. */
export interface Router {
  /** Ends with `final` or `error`; a failed task never throws. @throws {EasynetError} INVALID_ARGUMENT at once */
  call(request: CallRequest, options?: { readonly signal?: AbortSignal }): AsyncIterable<RoutedEvent>;
}
