import { checkSchema } from "../model/index.ts";
import type { Duplex } from "node:stream";
import type { RawData, WebSocket } from "ws";
import { type Clock, EasynetError, type Logger, toEasynetError } from "../kernel/index.ts";
import {
  type EasynetNode,
  LOCAL_CLOSE_CODES,
  LOCAL_LIMITS,
  LOCAL_PROTOCOL,
  type NodeMessage,
  type ProcessMessage,
  processMessageSchema,
} from "../node/index.ts";
import { AttachedAgents } from "./attached-agents.ts";
import { explainIssues } from "./explain-issues.ts";
import type { Guard } from "./guard.ts";
import { Invocations } from "./invocations.ts";
import { EVENT_BACKLOG_BYTES_MAX } from "./limits.ts";
import type { MessageFormat } from "./message-format.ts";
import { OutgoingCalls } from "./outgoing-calls.ts";
import { SocketWriter } from "./socket-writer.ts";

export interface AttachSessionOptions {
  readonly socket: WebSocket;
  readonly raw: Duplex;
  readonly format: MessageFormat;
  readonly node: EasynetNode;
  readonly guard: Guard;
  readonly logger: Logger;
  readonly clock: Clock;
  /** Names that attached processes have taken, shared by all connections. */
  readonly agentNames: Set<string>;
}

/** One process on its WebSocket: greets it, checks what it says, and hands that to calls, agents and invocations. */
export class AttachSession {
  readonly #options: AttachSessionOptions;
  readonly #writer: SocketWriter;
  readonly #invocations: Invocations;
  readonly #calls: OutgoingCalls;
  readonly #agents: AttachedAgents;
  #subscription: Disposable | undefined;
  #state: "greeting" | "open" | "closed" = "greeting";
  #client = "the attached process";
  #malformedCount = 0;
  #droppedEventsCount = 0;

  constructor(options: AttachSessionOptions) {
    const { socket, raw, format, clock, node, agentNames } = options;
    this.#options = options;
    this.#writer = new SocketWriter({ socket, raw, format, clock, onCongested: () => this.#calls.failAll() });
    const ports = {
      peer: () => this.#client,
      send: (message: NodeMessage) => this.#writer.send(message),
      congested: () => this.#writer.congested,
      bufferedBytes: () => this.#writer.bufferedBytes,
    };
    this.#invocations = new Invocations(ports);
    this.#calls = new OutgoingCalls({ node, ...ports });
    this.#agents = new AttachedAgents({ node, names: agentNames, invocations: this.#invocations, send: ports.send });
  }

  /** Listens to the process; it has to say hello now. */
  start(): void {
    const { socket, clock, logger } = this.#options;
    const greeting = clock.setTimer(LOCAL_LIMITS.helloTimeoutMs, () => {
      if (this.#state === "greeting") socket.close(LOCAL_CLOSE_CODES.helloTimeout, "no hello in time");
    });
    socket.on("message", (data, isBinary) => this.#receive(data, isBinary));
    socket.on("error", (error) => logger.warn("attached process broke WebSocket", { error }));
    socket.once("close", () => {
      greeting.cancel();
      this.#close();
    });
  }

  #receive(data: RawData, isBinary: boolean): void {
    try {
      const message = this.#parse(data, isBinary);
      if (this.#state === "open") this.#handle(message);
      else if (this.#state === "greeting") this.#greet(message);
    } catch (error) {
      this.#refuse(toEasynetError(error));
    }
  }

  #parse(data: RawData, isBinary: boolean): ProcessMessage {
    const result = checkSchema(processMessageSchema, this.#options.format.decode(data, isBinary));
    if (result.success) return result.data;
    const reason = explainIssues(result.error, processMessageSchema);
    throw new EasynetError("INVALID_ARGUMENT", { subject: "The message", reason });
  }

  #greet(message: ProcessMessage): void {
    const { guard, node, socket } = this.#options;
    if (message.type !== "hello") {
      this.#send({ type: "error", error: malformed("the first message must be hello").toJSON() });
      socket.close(LOCAL_CLOSE_CODES.malformed, "no hello");
      return;
    }
    try {
      guard.checkToken(message.token);
      if (message.protocol !== LOCAL_PROTOCOL) {
        throw new EasynetError("VERSION_UNSUPPORTED", { offered: message.protocol, supported: LOCAL_PROTOCOL });
      }
    } catch (error) {
      this.#send({ type: "error", error: toEasynetError(error).toJSON() });
      socket.close(LOCAL_CLOSE_CODES.unauthorized, "refused");
      return;
    }
    this.#state = "open";
    if (message.client !== undefined) this.#client = message.client;
    this.#send({ type: "welcome", protocol: LOCAL_PROTOCOL, did: node.did, name: node.name });
  }

  #handle(message: ProcessMessage): void {
    switch (message.type) {
      case "result":
      case "item":
      case "progress":
      case "failure":
        this.#invocations.answer(message);
        break;
      case "call":
        this.#calls.start(message);
        break;
      case "credit":
        this.#calls.credit(message.call, message.count);
        break;
      case "cancel":
        this.#calls.cancel(message.call);
        break;
      case "register":
      case "unregister":
      case "message":
      case "announce":
      case "topic":
      case "peers":
        void this.#agents.handle(message);
        break;
      case "subscribe":
        this.#subscription ??= this.#options.node.onEvent((event) => {
          if (this.#writer.bufferedBytes > EVENT_BACKLOG_BYTES_MAX) {
            this.#droppedEventsCount += 1;
            return;
          }
          const droppedCount = this.#droppedEventsCount;
          this.#droppedEventsCount = 0;
          this.#send({ type: "node-event", event, ...(droppedCount > 0 && { droppedCount }) });
        });
        break;
      case "ping":
        this.#send({ type: "pong", ...(message.payload !== undefined && { payload: message.payload }) });
        break;
      case "hello":
        throw malformed("hello was said already");
    }
  }

  /** Answers a message that cannot be right; a process that keeps sending them is disconnected. */
  #refuse(error: EasynetError): void {
    this.#malformedCount += 1;
    this.#options.logger.warn("malformed message from an attached process", { client: this.#client, code: error.code });
    this.#send({ type: "error", error: error.toJSON() });
    if (this.#malformedCount >= LOCAL_LIMITS.malformedCountMax) {
      this.#options.socket.close(LOCAL_CLOSE_CODES.malformed, "malformed messages");
    }
  }

  #send(message: NodeMessage): void {
    this.#writer.send(message);
  }

  #close(): void {
    this.#state = "closed";
    this.#writer.dispose();
    this.#subscription?.[Symbol.dispose]();
    this.#calls.close();
    this.#invocations.loseAll();
    void this.#agents.close();
  }
}

function malformed(reason: string): EasynetError {
  return new EasynetError("INVALID_ARGUMENT", { subject: "The message", reason });
}
