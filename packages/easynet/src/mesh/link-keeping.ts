import type { Did } from "../identity/index.ts";
import { type Clock, EasynetError, startDeadline } from "../kernel/index.ts";
import { likelyNeighbours } from "./active-view-core.ts";
import { LinkUse } from "./link-use-core.ts";
import type { Redial } from "./redial-core.ts";
import type { Peer, ReachOptions, Way } from "./types.ts";

/** Until a peer that was asked for is linked, ms; dials that go on may still succeed later. */
const REACH_TIMEOUT_MS = 10_000;

const WAYS: readonly Way[] = ["direct", "linked", "any"];

export interface LinkKeepingPorts {
  readonly clock: Clock;
  readonly redial: Pick<Redial, "has" | "keeps" | "known" | "isFullMesh">;
  readonly self: Did;
  readonly detours?: ((did: Did, way: Way) => readonly string[]) | undefined;
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
  readonly #asked = new Map<Did, { readonly outcome: PromiseWithResolvers<Peer>; way: Way }>();

  constructor(ports: LinkKeepingPorts) {
    this.#ports = ports;
  }

  /** True for a peer to which no link is kept, and which is dialled when it is asked for. */
  isOnDemand(did: Did): boolean {
    const { redial, clock } = this.#ports;
    return redial.has(did) && !redial.keeps(did, clock.monotonicMs());
  }

  neighboursOf(did: Did): readonly Did[] {
    const { redial, self } = this.#ports;
    return redial.isFullMesh ? [] : likelyNeighbours(did, [self, ...redial.known()]).filter((other) => other !== self);
  }

  /** Ways around, for a peer that is being dialled. */
  detours(did: Did): readonly string[] {
    // What is dialled without anybody's asking is not worth links to others.
    const way = this.#asked.get(did)?.way ?? "linked";
    return way === "direct" ? [] : (this.#ports.detours?.(did, way) ?? []);
  }

  async reach(did: Did, { way = "any", signal }: ReachOptions = {}): Promise<Peer> {
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
    return orAborted(this.#ask(did, way), deadline.signal);
  }

  /** Who asks while it is being dialled waits with the others; the widest way of all counts. */
  #ask(did: Did, way: Way): Promise<Peer> {
    const before = this.#asked.get(did);
    if (before) {
      if (WAYS.indexOf(way) > WAYS.indexOf(before.way)) before.way = way;
      return before.outcome.promise;
    }
    const outcome = Promise.withResolvers<Peer>();
    outcome.promise.catch(() => undefined);
    this.#asked.set(did, { outcome, way });
    this.#ports.dial(did);
    return outcome.promise;
  }

  linked(peer: Peer): void {
    this.#asked.get(peer.did)?.outcome.resolve(peer);
    this.#asked.delete(peer.did);
  }

  failed(did: Did): void {
    this.#asked.get(did)?.outcome.reject(unreachable(did, "none of its addresses answers, and nobody leads to it"));
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
