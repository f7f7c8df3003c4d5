import { type RawData, WebSocket } from "ws";
import { z } from "zod";
import { BoundedQueue, createId, EasynetError, fromWireError, systemClock } from "../kernel/index.ts";
import {
  type AgentContent,
  EASYNET_VERSION,
  LOCAL_LIMITS,
  LOCAL_PROTOCOL,
  LOCAL_SUBPROTOCOLS,
  LOCAL_WEBSOCKET_PATH,
  type NodeMessage,
  nodeMessageSchema,
  type ProcessMessage,
  takesCredit,
} from "../node/index.ts";
import type { Agent } from "../agents/index.ts";
import type { TaskReport } from "../messaging/index.ts";
import { agentCardSchema } from "../model/index.ts";
import type { CallRequest, RoutedEvent } from "../routing/index.ts";
import { decodeValue, encodeValue } from "../wire/index.ts";
import type { FoundOffer } from "../gateway/index.ts";
import type { FindQuery } from "../state/index.ts";
import { type ArtifactAccess, artifactsOverHttp } from "./artifact-access.ts";
import { findOverHttp, type LocalApi, taskOverHttp } from "./over-http.ts";
import { type StateAccess, stateOverHttp } from "./state-access.ts";
import { InvocationRunner } from "./invocation-runner.ts";
import type { NodeAccess, OfferedAgent } from "./node-access.ts";

const agentCards = z.array(agentCardSchema);
const broadcastReport = z.object({
  delivered: z.array(z.string()),
  failed: z.array(z.object({ agent: z.string(), code: z.string() })),
});

/** Events of one call that wait for the reader: the credit window, and room for the events that take no credit. */
const CALL_QUEUE_COUNT_MAX = LOCAL_LIMITS.windowItems + 64;
/** Credit is given back in steps, not item by item. */
const CREDIT_STEP = LOCAL_LIMITS.windowItems / 2;

/**
 * Joins a node that runs in another process of this machine, over its WebSocket (docs/protocol/attach.md).
 * @throws {EasynetError} NODE_NOT_RUNNING when nobody answers; TOKEN_INVALID
 */
export async function attachToNode(apiUrl: string, token: string): Promise<NodeAccess> {
  const socket = new WebSocket(apiUrl.replace(/^http/, "ws") + LOCAL_WEBSOCKET_PATH, LOCAL_SUBPROTOCOLS.msgpack, {
    perMessageDeflate: false,
    maxPayload: LOCAL_LIMITS.messageBytesMax,
  });
  const attached = new AttachedNode(socket, { url: apiUrl, token });
  await attached.open(token, apiUrl);
  return attached;
}

interface OpenCall {
  readonly queue: BoundedQueue<RoutedEvent>;
  consumedCount: number;
}

interface Pending {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
}

class AttachedNode implements NodeAccess {
  readonly embedded = false;
  did = "";
  name = "";
  readonly artifacts: ArtifactAccess;
  readonly state: StateAccess;
  readonly #socket: WebSocket;
  readonly #api: LocalApi;
  readonly #calls = new Map<number, OpenCall>();
  readonly #requests = new Map<number, Pending>();
  readonly #runner: InvocationRunner;
  readonly #closedListeners: ((reason: string) => void)[] = [];
  #number = 0;
  #welcome: Pending | undefined;
  #closedReason: string | undefined;

  constructor(socket: WebSocket, api: LocalApi) {
    this.#socket = socket;
    this.#api = api;
    this.artifacts = artifactsOverHttp(api);
    this.state = stateOverHttp(api);
    this.#runner = new InvocationRunner((message) => this.#send(message));
    socket.on("message", (data) => this.#receive(toBytes(data)));
    socket.on("close", (_code, reason) => this.#closed(reason.toString() || "the connection closed"));
    socket.on("error", (error) => this.#closed(error.message));
  }

  async open(token: string, apiUrl: string): Promise<void> {
    await new Promise((resolve, reject) => {
      this.#welcome = { resolve, reject };
      this.#socket.once("open", () => {
        this.#send({ type: "hello", protocol: LOCAL_PROTOCOL, token, client: `easynet/${EASYNET_VERSION}` });
      });
    }).catch((cause: unknown) => {
      this.#socket.terminate();
      throw cause instanceof EasynetError ? cause : new EasynetError("NODE_NOT_RUNNING", { home: apiUrl }, { cause });
    });
  }

  async *call(request: CallRequest, options: { readonly signal?: AbortSignal } = {}): AsyncGenerator<RoutedEvent> {
    const call = ++this.#number;
    const open: OpenCall = { queue: new BoundedQueue(CALL_QUEUE_COUNT_MAX), consumedCount: 0 };
    const cancel = (): void => this.#send({ type: "cancel", call });
    let ended = false;
    this.#assertOpen();
    this.#calls.set(call, open);
    this.#send({ type: "call", call, ...toCallMessage(request) });
    options.signal?.addEventListener("abort", cancel, { once: true });
    if (options.signal?.aborted) cancel();
    try {
      for await (const event of open.queue) {
        ended = event.type === "final" || event.type === "error";
        yield event;
        if (ended) return;
        if (takesCredit(event)) this.#giveCredit(call, open);
      }
    } finally {
      options.signal?.removeEventListener("abort", cancel);
      this.#calls.delete(call);
      if (!ended && this.#closedReason === undefined) cancel();
    }
  }

  async find(query: FindQuery): Promise<readonly FoundOffer[]> {
    this.#assertOpen();
    return findOverHttp(this.#api, query);
  }

  async task(id: string): Promise<TaskReport> {
    this.#assertOpen();
    return taskOverHttp(this.#api, id);
  }

  async offer(agent: Agent): Promise<OfferedAgent> {
    const register = async (): Promise<void> => {
      await this.#ask((request) => this.#runner.registration(agent, request));
    };
    await register();
    const { name } = agent;
    return {
      refresh: register,
      sendMessage: (to, content) => this.#ask((request) => messageOf({ request, agent: name, to }, content)),
      broadcast: async (content) =>
        broadcastReport.parse(await this.#ask((request) => messageOf({ request, agent: name }, content))),
      announce: async ({ kind, payload }) =>
        z.string().parse(await this.#ask((request) => ({ type: "announce", request, agent: name, kind, payload }))),
      joinTopic: async (topic) => {
        await this.#ask((request) => ({ type: "topic", request, agent: name, action: "join", topic }));
      },
      leaveTopic: async (topic) => {
        await this.#ask((request) => ({ type: "topic", request, agent: name, action: "leave", topic }));
      },
      publish: async (topic, content) =>
        broadcastReport.parse(await this.#ask((request) => messageOf({ request, agent: name, topic }, content))),
      peers: async () => agentCards.parse(await this.#ask((request) => ({ type: "peers", request, agent: name }))),
      [Symbol.asyncDispose]: async () => {
        this.#runner.remove(agent.name);
        if (this.#closedReason !== undefined) return;
        await this.#ask((request) => ({ type: "unregister", request, agent: agent.name }));
      },
    };
  }

  onClosed(listener: (reason: string) => void): void {
    this.#closedListeners.push(listener);
  }

  async close(): Promise<void> {
    if (this.#closedReason !== undefined) return;
    await new Promise<void>((resolve) => {
      this.onClosed(() => resolve());
      this.#socket.close();
    });
  }

  #ask(message: (request: number) => ProcessMessage): Promise<unknown> {
    this.#assertOpen();
    const request = ++this.#number;
    return new Promise((resolve, reject) => {
      this.#requests.set(request, { resolve, reject });
      this.#send(message(request));
    });
  }

  #assertOpen(): void {
    if (this.#closedReason !== undefined) {
      throw new EasynetError("LINK_CLOSED", { peer: "the local node", reason: this.#closedReason });
    }
  }

  #send(message: ProcessMessage): void {
    if (this.#socket.readyState === WebSocket.OPEN) this.#socket.send(encodeValue(message));
  }

  #giveCredit(call: number, open: OpenCall): void {
    open.consumedCount++;
    if (open.consumedCount < CREDIT_STEP) return;
    this.#send({ type: "credit", call, count: open.consumedCount });
    open.consumedCount = 0;
  }

  #receive(bytes: Uint8Array): void {
    const parsed = nodeMessageSchema.safeParse(decodeValue(bytes));
    if (!parsed.success) return this.#socket.terminate();
    const message: NodeMessage = parsed.data;
    switch (message.type) {
      case "event":
        return this.#deliver(message.call, message.event);
      case "invoke":
      case "cancel":
      case "credit":
        return this.#runner.handle(message);
      case "registered":
      case "unregistered":
        return this.#settle(message.request, {});
      case "answered":
        return this.#settle(message.request, { value: message.value });
      case "refused":
        return this.#settle(message.request, { error: fromWireError(message.error) });
      case "welcome":
        this.did = message.did;
        this.name = message.name;
        return this.#welcome?.resolve(undefined);
      case "error":
        return this.#welcome?.reject(fromWireError(message.error));
      case "node-event":
      case "pong":
        return undefined;
    }
  }

  #deliver(call: number, event: RoutedEvent): void {
    const open = this.#calls.get(call);
    if (!open || open.queue.push(event)) return;
    open.queue.end(new EasynetError("BACKPRESSURE", { peer: "the local node", bytes: 0, lane: "call" }));
  }

  #settle(request: number, outcome: { readonly value?: unknown; readonly error?: EasynetError }): void {
    const pending = this.#requests.get(request);
    this.#requests.delete(request);
    if (outcome.error) pending?.reject(outcome.error);
    else pending?.resolve(outcome.value);
  }

  #closed(reason: string): void {
    if (this.#closedReason !== undefined) return;
    this.#closedReason = reason;
    const lost = new EasynetError("LINK_CLOSED", { peer: "the local node", reason });
    this.#welcome?.reject(new Error(reason));
    for (const pending of this.#requests.values()) pending.reject(lost);
    this.#requests.clear();
    for (const { queue } of this.#calls.values()) queue.end(lost);
    this.#runner.abortAll(lost);
    for (const listener of this.#closedListeners) listener(reason);
  }
}

type MessageMessage = Extract<ProcessMessage, { type: "message" }>;

/** Without the fields that are not given: the node takes an absent one only. */
function messageOf(
  about: Pick<MessageMessage, "request" | "agent" | "to" | "topic">,
  { kind, payload, ...options }: AgentContent,
): MessageMessage {
  const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
  return { type: "message", ...about, kind, payload, ...given };
}

function toBytes(data: RawData): Uint8Array {
  if (Array.isArray(data)) return Buffer.concat(data);
  return data instanceof ArrayBuffer ? new Uint8Array(data) : data;
}

function toCallMessage(request: CallRequest): Omit<Extract<ProcessMessage, { type: "call" }>, "type" | "call"> {
  const { input, conversationHistory, outputSchema, ...rest } = request;
  const given = Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== undefined));
  return {
    ...given,
    capability: request.capability,
    id: request.id ?? createId(systemClock.nowMs()),
    args: [...input.args],
    kwargs: { ...input.kwargs },
    ...(conversationHistory && { conversationHistory: [...conversationHistory] }),
    ...(outputSchema && { outputSchema }),
  };
}
