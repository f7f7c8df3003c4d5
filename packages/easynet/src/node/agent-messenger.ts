import type { AgentHost } from "../agents/index.ts";
import type { Did } from "../identity/index.ts";
import { type Clock, createId, EasynetError, fromWireError, toEasynetError } from "../kernel/index.ts";
import type { Mesh } from "../mesh/index.ts";
import type { Exchanges } from "../messaging/index.ts";
import type { AgentCard } from "../model/index.ts";
import type { Directory, DirectoryNode } from "../state/index.ts";
import type { BroadcastReport } from "./types.ts";

const MESSAGE_TIMEOUT_MS = 30_000;

export interface AgentMessage {
  readonly from: string;
  /** Name or did of an agent. */
  readonly to: string;
  readonly kind: string;
  readonly payload: unknown;
}

interface Receiver {
  readonly node: DirectoryNode;
  readonly card: AgentCard;
}

export interface AgentMessengerOptions {
  readonly self: Did;
  readonly directory: Directory;
  readonly links: Pick<Mesh, "reach" | "isOnDemand">;
  readonly exchanges: Exchanges;
  readonly host: AgentHost;
  readonly clock: Clock;
}

/** Messages between agents. Each is an exchange of its own, so that the sender knows what became of it. */
export class AgentMessenger {
  readonly #options: AgentMessengerOptions;
  #sequence = 0;

  constructor(options: AgentMessengerOptions) {
    this.#options = options;
  }

  /** What the receiver's handler returned. @throws {EasynetError} NO_CAPABLE_AGENT, or what ended the delivery */
  async send(message: AgentMessage): Promise<unknown> {
    const receiver = this.#agents().find(({ card }) => card.id === message.to || card.name === message.to);
    if (!receiver) throw new EasynetError("NO_CAPABLE_AGENT", { capability: message.to });
    return this.#deliver(message, receiver);
  }

  async broadcast(message: Omit<AgentMessage, "to">): Promise<BroadcastReport> {
    const delivered: string[] = [];
    const failed: { agent: string; code: string }[] = [];
    const receivers = this.#agents().filter(({ card }) => card.id !== message.from);
    await Promise.all(
      receivers.map(async (receiver) => {
        const { id } = receiver.card;
        try {
          await this.#deliver({ ...message, to: id }, receiver);
          delivered.push(id);
        } catch (thrown) {
          failed.push({ agent: id, code: toEasynetError(thrown).code });
        }
      }),
    );
    return { delivered, failed };
  }

  peersOf(agent: string): readonly AgentCard[] {
    return this.#agents()
      .map(({ card }) => card)
      .filter((card) => card.id !== agent);
  }

  #agents(): Receiver[] {
    const alive = this.#options.directory.nodes().filter((node) => node.status === "alive");
    return alive.flatMap((node) => node.record.cards.map(({ card }) => ({ node, card })));
  }

  async #deliver(message: AgentMessage, { node, card }: Receiver): Promise<unknown> {
    const { self, exchanges, host, clock, links } = this.#options;
    if (node.did === self) {
      return host.deliver({ agentDid: card.id, kind: message.kind, payload: message.payload, from: message.from });
    }
    if (links.isOnDemand(node.did)) await links.reach(node.did);
    const nowMs = clock.nowMs();
    const exchange = exchanges.open(node.did, {
      envelope: {
        id: createId(nowMs),
        from: message.from,
        to: card.id,
        kind: "message",
        createdAtMs: nowMs,
        deadlineAtMs: nowMs + MESSAGE_TIMEOUT_MS,
        priority: "normal",
        hopsLeft: 0,
        depth: 0,
        lane: "normal",
        sequence: ++this.#sequence,
        epoch: 0,
      },
      agent: card.id,
      capability: message.kind,
      input: { args: [message.payload], kwargs: {} },
    });
    for await (const event of exchange) {
      if (event.type === "final") return event.value;
      if (event.type === "error") throw fromWireError(event.error, { peer: node.did });
    }
    throw new EasynetError("PROVIDER_LOST", { peer: card.name, capability: message.kind });
  }
}
