import {
  createId,
  type Clock,
  EasynetError,
  fromWireError,
  type Logger,
  silentLogger,
  systemClock,
} from "../kernel/index.ts";
import type { AgentEvent, Budget, Capability, ChatMessage, Priority } from "../model/index.ts";
import { type EndEvent, isEnd } from "./failure.ts";
import { oneEnd } from "./one-end.ts";
import type { Agent } from "./types.ts";

export interface ChatOptions {
  /** Which capability answers. @default the one named or tagged `chat`, else the only one */
  readonly capability?: string;
  readonly signal?: AbortSignal;
  readonly budget?: Budget;
  /** Wall clock, Unix epoch ms. */
  readonly deadlineAtMs?: number;
  readonly priority?: Priority;
  /** Sees every event as it comes, for showing progress; deltas are provisional. */
  readonly onEvent?: (event: AgentEvent) => void;
  readonly clock?: Clock;
  readonly logger?: Logger;
}

/**
 * One turn with an agent: the last message is the prompt, earlier ones the history. Only the final text counts:
 * deltas may be corrected until then. Talks to the agent directly, without a host's admission and budget.
 * @throws {EasynetError} INVALID_ARGUMENT without a message or a capability to ask; whatever the agent ended with
 */
export async function chat(
  agent: Agent,
  messages: readonly ChatMessage[],
  options: ChatOptions = {},
): Promise<ChatMessage> {
  const prompt = messages.at(-1);
  if (!prompt) throw new EasynetError("INVALID_ARGUMENT", { subject: "A chat", reason: "there is no message" });
  const capability = options.capability ?? chatCapability(agent);
  const clock = options.clock ?? systemClock;
  const signal = options.signal ?? new AbortController().signal;
  const taskId = createId(clock.nowMs());
  const events = agent.execute(
    { id: taskId, capability, input: { args: [prompt.text], kwargs: {} } },
    {
      taskId,
      from: "local",
      priority: options.priority ?? "normal",
      signal,
      deadlineAtMs: options.deadlineAtMs,
      budget: options.budget ?? {},
      conversationHistory: messages.slice(0, -1),
      logger: options.logger ?? silentLogger,
      clock,
    },
  );
  const end = await collectEnd(oneEnd(events, { clock, subject: capability, signal }), options.onEvent);
  if (end.type === "error") throw fromWireError(end.error);
  return { role: "agent", text: textOf(end) };
}

/** Reads events up to the end. @throws {EasynetError} INTERNAL when there is none: then they were not guarded */
export async function collectEnd(
  events: AsyncIterable<AgentEvent>,
  onEvent?: (event: AgentEvent) => void,
): Promise<EndEvent> {
  for await (const event of events) {
    if (isEnd(event)) return event;
    onEvent?.(event);
  }
  throw new EasynetError("INTERNAL", { reason: "a stream of events had no end" });
}

function textOf(end: Extract<EndEvent, { type: "final" }>): string {
  if (end.text !== undefined) return end.text;
  if (typeof end.value === "string") return end.value;
  return end.value === undefined ? "" : JSON.stringify(end.value);
}

function chatCapability(agent: Agent): string {
  const capabilities = agent.capabilities();
  const isChat = ({ name, tags }: Capability): boolean => name === "chat" || tags.includes("chat");
  const found = capabilities.find(isChat) ?? (capabilities.length === 1 ? capabilities[0] : undefined);
  if (found) return found.name;
  const reason = `${agent.name} has no capability named or tagged chat: name one`;
  throw new EasynetError("INVALID_ARGUMENT", { subject: "A chat", reason });
}
