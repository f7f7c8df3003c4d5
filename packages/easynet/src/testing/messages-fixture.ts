import { type Did } from "../identity/index.ts";
import { type Metrics, noMetrics, seededRandom, silentLogger } from "../kernel/index.ts";
import { createMessages, KindRegistry, type MessageEvent, type Messages } from "../messaging/index.ts";
import { createGossip } from "../mesh/index.ts";
import { MemoryStore } from "../storage/index.ts";
import { FakeArtifacts } from "./fake-artifacts.ts";
import { FakeDelivery, FakePost } from "./fake-delivery.ts";
import { fakeKeyPair } from "./fake-keys.ts";
import { FakeNetwork } from "./fake-network.ts";
import { VirtualClock } from "./virtual-clock.ts";

export interface MessagesNode {
  readonly did: Did;
  readonly messages: Messages;
  readonly kinds: KindRegistry;
  readonly delivery: FakeDelivery;
  readonly store: MemoryStore;
  readonly events: MessageEvent[];
  /** Ends this process of the node without a word. */
  crash(): void;
}

/** Nodes that exchange messages in one process; all linked for broadcasts, letters over a {@link FakePost}. */
export class MessagesWorld {
  readonly clock = new VirtualClock();
  readonly post = new FakePost();
  readonly network = new FakeNetwork({ clock: this.clock });
  /** Of all nodes: what one keeps, all can fetch. */
  readonly artifacts = new FakeArtifacts();
  /** Who is in which topic. */
  readonly topics = new Map<string, Did[]>();
  readonly #stores = new Map<number, MemoryStore>();
  readonly #createStore: () => MemoryStore;

  constructor(createStore = (): MemoryStore => new MemoryStore()) {
    this.#createStore = createStore;
  }

  /** Starts a node, or starts it again with what it had stored. */
  async start(
    number: number,
    options: { readonly metrics?: Metrics; readonly setUp?: (node: MessagesNode) => void } = {},
  ): Promise<MessagesNode> {
    const keyPair = fakeKeyPair(number);
    const { did } = keyPair;
    const store = this.#stores.get(number) ?? this.#createStore();
    this.#stores.set(number, store);
    const metrics = options.metrics ?? noMetrics;
    const ports = { clock: this.clock, random: seededRandom(number), logger: silentLogger, metrics };
    const mesh = this.network.join(did);
    for (const other of this.network.meshes.keys()) if (other !== did) this.network.link(did, other);
    const delivery = new FakeDelivery({ post: this.post, self: did, store });
    const kinds = new KindRegistry();
    const events: MessageEvent[] = [];
    this.post.nowMs = this.clock.nowMs();
    const messages = createMessages({
      ...ports,
      keyPair,
      delivery,
      gossip: createGossip({ ...ports, mesh }),
      store,
      artifacts: this.artifacts,
      kinds,
      membersOf: (topic) => this.topics.get(topic) ?? [],
      observe: (event) => void events.push(event),
    });
    const crash = (): void => {
      messages.close();
      void delivery.close();
    };
    const node = { did, messages, kinds, delivery, store, events, crash };
    options.setUp?.(node);
    await messages.start();
    return node;
  }
}
