import type { Did } from "../identity/index.ts";
import { type Clock, isEasynetError, type Logger, type Random, repeat, toEasynetError } from "../kernel/index.ts";
import { type Mdns, type Mesh, type Peer, type Punch, watchAddresses } from "../mesh/index.ts";
import type { Delivery, Exchanges } from "../messaging/index.ts";
import type { Directory } from "../state/index.ts";
import { keepDialling } from "./bootstrap.ts";

/** How often a direct way to members that are reached through another one is tried. */
const DIRECT_INTERVAL_MS = 30_000;
/** How often links are looked for that nobody needs any more. */
const TRIM_INTERVAL_MS = 10_000;

export interface ReachingPorts {
  readonly mesh: Mesh;
  readonly mdns: Mdns | undefined;
  readonly directory: Pick<Directory, "nodes">;
  readonly exchanges: Pick<Exchanges, "openWith">;
  readonly delivery: Pick<Delivery, "outbox">;
  readonly punch: Punch;
  /** Members to dial until they are known to live. */
  readonly bootstrap: readonly string[];
  /** Publishes this node's record with its addresses of now. */
  readonly publish: () => Promise<void>;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

/**
 * Keeps this node in reach until it is disposed: dials first members, heals links when the machine changes its
 * network or wakes (dead ones end at once, known members are dialled at once, everybody is told the addresses of
 * now), and looks for direct ways to members that are reached through another one.
 */
export function keepReachable(ports: ReachingPorts): Disposable {
  const { mesh, mdns, publish, clock, logger } = ports;
  const direct = new DirectWays(ports);
  const stack = new DisposableStack();
  stack.use(ports.punch);
  const isAlive = (did: Did): boolean => ports.directory.nodes().some((node) => node.did === did);
  stack.use(keepDialling(ports.bootstrap, { ...ports, isAlive }));
  const ways = repeat(clock, DIRECT_INTERVAL_MS, () => void direct.look());
  stack.defer(() => ways.cancel());
  const trimming = repeat(clock, TRIM_INTERVAL_MS, () => {
    const owed = new Set(ports.delivery.outbox().map(({ peer }) => peer));
    mesh.trim((did) => ports.exchanges.openWith(did) > 0 || owed.has(did));
    for (const did of owed) if (mesh.isOnDemand(did)) mesh.reach(did).catch(() => undefined);
  });
  stack.defer(() => trimming.cancel());
  const watch = watchAddresses({
    clock,
    logger,
    onChange: ({ gone }) => {
      mesh.networkChanged({ gone });
      mdns?.refresh();
      void direct.look();
      publish().catch((error: unknown) => {
        logger.warn("own record not published anew", { code: toEasynetError(error).code });
      });
    },
  });
  stack.defer(() => watch.cancel());
  return stack;
}

/** Replaces relayed links by direct ones where one is possible. */
class DirectWays {
  readonly #ports: ReachingPorts;
  #looking = false;

  constructor(ports: ReachingPorts) {
    this.#ports = ports;
  }

  /** Tries each relayed peer once, one after the other; a look that is still under way goes on alone. */
  async look(): Promise<void> {
    if (this.#looking) return;
    this.#looking = true;
    try {
      for (const peer of this.#ports.mesh.peers()) {
        if (peer.via !== undefined && !(await this.#dial(peer))) await this.#ports.punch.attempt(peer.did);
      }
    } finally {
      this.#looking = false;
    }
  }

  /** True when no further way has to be tried. */
  async #dial(peer: Peer): Promise<boolean> {
    const { directory, mesh, logger } = this.#ports;
    const record = directory.nodes().find(({ did }) => did === peer.did)?.record;
    for (const address of record?.addresses ?? []) {
      try {
        await mesh.connect(address);
        logger.info("direct link in place of a relayed one", { peer: peer.did, address });
        return true;
      } catch (error) {
        if (isEasynetError(error, "NODE_STOPPING")) return true;
        logger.debug("no direct way", { peer: peer.did, address, code: toEasynetError(error).code });
      }
    }
    return false;
  }
}
