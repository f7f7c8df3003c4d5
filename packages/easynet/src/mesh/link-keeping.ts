import type { Did } from "../identity/index.ts";
import { type Clock, EasynetError, startDeadline } from "../kernel/index.ts";
import { LinkUse } from "./link-use-core.ts";
import type { Redial } from "./redial-core.ts";
import type { Peer, ReachOptions } from "./types.ts";

/** Until a peer that was asked for is linked, ms; dials that go on may still succeed later. */
const REACH_TIMEOUT_MS = 10_000;

export interface LinkKeepingPorts {
  readonly clock: Clock;
  readonly redial: Pick<Redial, "has" | "keeps">;
  readonly peers: () => readonly Peer[];
  readonly peer: (did: Did) => Peer | undefined;
  /** Dials a known peer, though no link to it is kept. */
  readonly dial: (did: Did) => void;
  readonly stopping: AbortSignal;
}

/** Links on demand: makes those that are asked for, and finds those that nobody needs any more. */
export class LinkKeeping {
  readonly #ports: LinkKeepingPorts;
  readonly #use = new LinkUse();
  readonly #asked = new Map<Did, PromiseWithResolvers<Peer>>();

  constructor(ports: LinkKeepingPorts) {
    this.#ports = ports;
  }

  /** True for a peer to which no link is kept, and which is dialled when it is asked for. */
  isOnDemand(did: Did): boolean {
    const { redial, clock } = this.#ports;
    return redial.has(did) && !redial.keeps(did, clock.monotonicMs());
  }

  async reach(did: Did, { signal }: ReachOptions = {}): Promise<Peer> {
    const { clock, stopping, redial } = this.#ports;
    this.#use.used(did, clock.monotonicMs());
    const peer = this.#ports.peer(did);
    if (peer) return peer;
    if (!redial.has(did)) throw unreachable(did, "no address of it is known");
    using deadline = startDeadline({
      clock,
      subject: `The link to ${did}`,
      timeoutMs: REACH_TIMEOUT_MS,
      signal: signal ? AbortSignal.any([stopping, signal]) : stopping,
    });
    const asked = this.#asked.get(did) ?? Promise.withResolvers<Peer>();
    if (!this.#asked.has(did)) {
      asked.promise.catch(() => undefined);
      this.#asked.set(did, asked);
      this.#ports.dial(did);
    }
    return orAborted(asked.promise, deadline.signal);
  }

  linked(peer: Peer): void {
    this.#asked.get(peer.did)?.resolve(peer);
    this.#asked.delete(peer.did);
  }

  failed(did: Did): void {
    this.#asked.get(did)?.reject(unreachable(did, "none of its addresses answers, and nobody leads to it"));
    this.#asked.delete(did);
  }

  /** Links that nobody needs any more. To be asked every few seconds. */
  unneeded(inUse: (did: Did) => boolean): readonly Did[] {
    const { clock, redial, peers } = this.#ports;
    const nowMs = clock.monotonicMs();
    const links = peers().map(({ did, direction }) => ({
      did,
      kept: direction === "inbound" || !redial.has(did) || redial.keeps(did, nowMs),
      inUse: inUse(did),
    }));
    return this.#use.trim(links, nowMs);
  }
}

function orAborted<Result>(promise: Promise<Result>, signal: AbortSignal): Promise<Result> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(signal.reason);
    if (signal.aborted) onAbort();
    else signal.addEventListener("abort", onAbort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", onAbort));
  });
}

function unreachable(peer: Did, reason: string): EasynetError {
  return new EasynetError("PEER_UNREACHABLE", { peer, reason });
}
