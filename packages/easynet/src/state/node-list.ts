import type { Did } from "../identity/index.ts";
import type { Clock } from "../kernel/index.ts";
import type { NodeLoad, NodeRecord, NodeStatus } from "../model/index.ts";
import type { Known } from "./core-types.ts";
import { OfferIndex, offersOf } from "./offer-index.ts";
import { fits } from "./offer-filter.ts";
import type { DirectoryNode, FindQuery, Offer } from "./types.ts";

/** The object that searches hand out: status, load and time move on in it while a caller holds it. */
interface ListedNode extends DirectoryNode {
  readonly did: Did;
  readonly record: NodeRecord;
  status: NodeStatus;
  load: NodeLoad | undefined;
  lastSeenAtMs: number;
}

/** What the application sees of the core: listed nodes and the offers of live ones. */
export class NodeList {
  readonly #clock: Clock;
  readonly #known: ReadonlyMap<Did, Readonly<Known>>;
  readonly #nodes = new Map<Did, ListedNode>();
  readonly #index = new OfferIndex();

  constructor(clock: Clock, known: ReadonlyMap<Did, Readonly<Known>>) {
    this.#clock = clock;
    this.#known = known;
  }

  /** Takes over what the core knows of an owner now. @returns the node unless it is gone */
  update(owner: Did): DirectoryNode | undefined {
    const known = this.#known.get(owner);
    const record = known?.entry.record;
    if (!known || !record || known.status === "dead" || known.status === "left") {
      this.#nodes.delete(owner);
      this.#index.remove(owner);
      return undefined;
    }
    const before = this.#nodes.get(owner);
    const { status, load } = known;
    const lastSeenAtMs = this.#wallMs(known);
    const node: ListedNode = before?.record === record ? before : { did: owner, record, status, load, lastSeenAtMs };
    const wasLive = node === before && before.status === "alive";
    Object.assign(node, { status, load, lastSeenAtMs });
    this.#nodes.set(owner, node);
    if (status !== "alive") this.#index.remove(owner);
    else if (!wasLive) this.#index.put(node);
    return node;
  }

  /** Load and time only. */
  refresh(owner: Did): void {
    const node = this.#nodes.get(owner);
    const known = this.#known.get(owner);
    if (!node || !known) return;
    node.load = known.load;
    node.lastSeenAtMs = this.#wallMs(known);
  }

  all(): readonly DirectoryNode[] {
    for (const owner of this.#nodes.keys()) this.refresh(owner);
    return [...this.#nodes.values()];
  }

  find(query: FindQuery): readonly Offer[] {
    const { status } = query;
    if (status === undefined || status === "alive") return this.#index.find(query);
    return this.#known
      .values()
      .flatMap((known) => this.#offersOf(known, query))
      .toArray();
  }

  /** Offers of a node that may be gone, as far as its record is still held. */
  #offersOf(known: Readonly<Known>, query: FindQuery): readonly Offer[] {
    const { record, owner } = known.entry;
    if (!record || (query.status !== "any" && query.status !== known.status)) return [];
    const { status, load } = known;
    const node = this.#nodes.get(owner) ?? { did: owner, record, status, load, lastSeenAtMs: this.#wallMs(known) };
    return offersOf(node).filter((offer) => fits(offer, query));
  }

  #wallMs(known: Readonly<Known>): number {
    return this.#clock.nowMs() - (this.#clock.monotonicMs() - known.lastSeenMs);
  }
}
