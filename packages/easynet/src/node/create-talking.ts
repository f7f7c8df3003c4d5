import type { Did, KeyPair } from "../identity/index.ts";
import type { Clock, Logger, Metrics, Random } from "../kernel/index.ts";
import type { Mesh } from "../mesh/index.ts";
import {
  type Artifacts,
  createDelivery,
  createExchanges,
  createMessages,
  type Delivery,
  type Exchanges,
  KindRegistry,
  type MessageEvent,
  type Messages,
} from "../messaging/index.ts";
import type { Directory } from "../state/index.ts";
import type { Store } from "../storage/index.ts";
import type { Knowing } from "./create-knowing.ts";

export interface TalkingOptions extends Knowing {
  readonly mesh: Mesh;
  readonly keyPair: KeyPair;
  readonly epoch: number;
  readonly store: Store;
  readonly artifacts: Artifacts;
  readonly observe: (event: MessageEvent) => void;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

export interface Talking {
  readonly exchanges: Exchanges;
  readonly delivery: Delivery;
  readonly messages: Messages;
  readonly kinds: KindRegistry;
}

/** How a node speaks with others: tasks as exchanges, everything else as messages. */
export function createTalking(options: TalkingOptions): Talking {
  const { directory } = options;
  const exchanges = createExchanges(options);
  const kinds = new KindRegistry();
  const delivery = createDelivery(options);
  const membersOf = (topic: string): readonly Did[] => membersIn(directory, topic);
  return { exchanges, delivery, kinds, messages: createMessages({ ...options, delivery, kinds, membersOf }) };
}

/** Everybody whose entry says so, also who is away: what is stored for them waits. */
function membersIn(directory: Directory, topic: string): readonly Did[] {
  const members = directory.nodes().filter((node) => node.status !== "left" && node.record.topics?.includes(topic));
  return members.map((node) => node.did);
}
