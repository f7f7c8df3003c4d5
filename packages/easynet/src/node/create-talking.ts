import { type Did, type KeyPair, verifyMembership } from "../identity/index.ts";
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
  type MailOptions,
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
  readonly entrance: { readonly membership: Uint8Array };
  /** What this node keeps for members that are away, bytes. */
  readonly holdBytesMax: number;
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
  readonly holdBytesMax: number;
}

/** How a node speaks with others: tasks as exchanges, everything else as messages. */
export function createTalking(options: TalkingOptions): Talking {
  const { directory, holdBytesMax } = options;
  const exchanges = createExchanges(options);
  const kinds = new KindRegistry();
  const delivery = createDelivery({ ...options, mail: mailOf(options) });
  const membersOf = (topic: string): readonly Did[] => membersIn(directory, topic);
  const messages = createMessages({ ...options, delivery, kinds, membersOf });
  return { exchanges, delivery, kinds, messages, holdBytesMax };
}

function mailOf({ directory, mesh, clock, entrance, holdBytesMax }: TalkingOptions): MailOptions {
  return {
    membership: () => entrance.membership,
    verifyMember: (bytes, member) => verifyMembership(bytes, { network: mesh.network, member, nowMs: clock.nowMs() }),
    holders() {
      const nodes = directory
        .nodes()
        .filter(({ status, record }) => status === "alive" && record.mailBytes !== undefined);
      return nodes.map(({ did }) => did);
    },
    holdBytesMax,
  };
}

/** Everybody whose entry says so, also who is away: what is stored for them waits. */
function membersIn(directory: Directory, topic: string): readonly Did[] {
  const members = directory.nodes().filter((node) => node.status !== "left" && node.record.topics?.includes(topic));
  return members.map((node) => node.did);
}
