import type { Did } from "../../identity/index.ts";
import {
  type Clock,
  isEasynetError,
  type Logger,
  type Metrics,
  pick,
  type Random,
  repeat,
  type Timer,
  toEasynetError,
} from "../../kernel/index.ts";
import type { Gossip, Mesh, MeshFrame } from "../../mesh/index.ts";
import type { Store } from "../../storage/index.ts";
import { FRAME_TYPES, type FrameType, type Lane } from "../../wire/index.ts";
import { DidCache } from "../did-cache.ts";
import { decodeEntries, decodePush, decodeSync } from "./codec.ts";
import type { Merged } from "./entry-core.ts";
import { Replica } from "./replica.ts";
import { SpaceRows } from "./rows.ts";
import { SpaceCore } from "./space-core.ts";
import type { SpaceSpec } from "./types.ts";

/** Between two digests to a random replica, ms. */
const DIGEST_MS = 10_000;
/** Between two looks for what may be forgotten, ms. */
const SWEEP_MS = 60_000;
/** With more links than this a change is broadcast instead of being sent over each. */
const SPREAD_LINKS_MAX = 16;
const TOPIC = "state";
const LANE: Lane = "normal";

export interface OpenSpacesOptions {
  readonly mesh: Mesh;
  readonly store: Store;
  /** Larger at each start of the node; at least the seconds of the wall clock. */
  readonly epoch: number;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** Carries changes when there are many links. */
  readonly gossip?: Gossip | undefined;
  readonly onMerged: (space: string, merged: Merged) => void;
}

/** The replicas of this node: their frames, their links and their regular work. */
export class OpenSpaces {
  readonly #options: OpenSpacesOptions;
  readonly #dids = new DidCache();
  readonly #replicas = new Map<string, Replica>();
  readonly #disposables: Disposable[];
  readonly #timers: Timer[];

  constructor(options: OpenSpacesOptions) {
    this.#options = options;
    const { mesh, clock, gossip } = options;
    mesh.handle(FRAME_TYPES["state-push"], (frame) =>
      this.#guard(frame.from, () => this.#onPush(frame.from, frame.body)),
    );
    mesh.handle(FRAME_TYPES["state-sync"], (frame) => this.#guard(frame.from, () => this.#onSync(frame)));
    mesh.handle(FRAME_TYPES["state-entries"], (frame) => this.#guard(frame.from, () => this.#onEntries(frame)));
    gossip?.handle(TOPIC, (from, body) => this.#guard(from, () => this.#onPush(from, body)));
    this.#disposables = [
      mesh.on("peer-joined", ({ did }) => this.#onJoined(did)),
      mesh.on("peer-left", ({ did }) => {
        for (const replica of this.#replicas.values()) replica.lost(did);
      }),
    ];
    this.#timers = [repeat(clock, DIGEST_MS, () => this.#digest()), repeat(clock, SWEEP_MS, () => this.#sweep())];
  }

  get(name: string): Replica | undefined {
    return this.#replicas.get(name);
  }

  /** Reads what an earlier life kept, and asks the others for the rest. */
  open(name: string, spec: SpaceSpec): Replica {
    const { store, epoch, clock, random, metrics, mesh, logger } = this.#options;
    const rows = new SpaceRows(store, name);
    const core = new SpaceCore({ name, self: mesh.self, epoch, spec, kept: rows.load() });
    const replica = new Replica({
      core,
      rows,
      clock,
      random,
      metrics,
      send: (to, type, body) => this.#send(to, type, body),
      drained: (to) => mesh.drained(to, LANE),
      spread: (body) => this.#spread(replica, body),
      onMerged: (merged) => this.#options.onMerged(name, merged),
      onUnkept: (error) => logger.error("shared state was not kept", { space: name, error }),
    });
    this.#replicas.set(name, replica);
    for (const did of this.linked(replica)) replica.digest(did);
    return replica;
  }

  /** Stops taking part; what is on disk stays there. */
  close(name: string): void {
    this.#replicas.get(name)?.close();
    this.#replicas.delete(name);
  }

  /** Replicas of a space with a link to this node. */
  linked({ core }: Replica): Did[] {
    const { replicas } = core.spec;
    const peers = this.#options.mesh.peers().map(({ did }) => did);
    return replicas === "everyone" ? peers : peers.filter((did) => replicas.includes(did));
  }

  stop(): void {
    for (const timer of this.#timers) timer.cancel();
    for (const each of this.#disposables) each[Symbol.dispose]();
    for (const name of this.#replicas.keys()) this.close(name);
  }

  #onJoined(did: Did): void {
    for (const replica of this.#replicas.values()) if (isReplica(replica, did)) replica.digest(did);
  }

  #digest(): void {
    for (const replica of this.#replicas.values()) {
      const linked = this.linked(replica);
      const peer = pick(this.#options.random, linked);
      if (peer) replica.digest(peer);
      this.#reachSomeone(replica, linked);
    }
  }

  /** A named replica to which no link is kept is dialled now and then; its link brings a digest. */
  #reachSomeone({ core }: Replica, linked: readonly Did[]): void {
    const { replicas } = core.spec;
    const { mesh, random } = this.#options;
    if (replicas === "everyone") return;
    const away = replicas.filter((did) => !linked.includes(did) && mesh.isOnDemand(did));
    const peer = pick(random, away);
    // Whoever cannot be reached is tried again next time.
    if (peer) mesh.reach(peer).catch(() => undefined);
  }

  #sweep(): void {
    for (const replica of this.#replicas.values()) {
      replica.sweep().catch((error: unknown) => {
        this.#options.logger.error("shared state was not swept", { space: replica.core.name, error });
      });
    }
  }

  #spread(replica: Replica, body: Uint8Array): void {
    const { gossip } = this.#options;
    const linked = this.linked(replica);
    const { replicas } = replica.core.spec;
    const broadcast = replicas === "everyone" && linked.length > SPREAD_LINKS_MAX;
    if (gossip && broadcast && body.length <= gossip.payloadBytesMax) gossip.publish(TOPIC, body);
    else for (const did of linked) this.#send(did, "state-push", body);
  }

  #send(to: Did, type: FrameType, body: Uint8Array): boolean {
    const { mesh, metrics } = this.#options;
    try {
      mesh.send(to, { lane: LANE, type: FRAME_TYPES[type], body });
      return true;
    } catch (error) {
      if (!isEasynetError(error)) throw error;
      metrics.count("easynet_state_messages_unsent_total", { type, reason: error.code });
      return false;
    }
  }

  #onPush(from: Did, body: Uint8Array): void {
    const { space, told } = decodePush(body, this.#dids);
    this.#of(space, from)?.onPush(from, told);
  }

  #onSync({ from, body }: MeshFrame): void {
    const message = decodeSync(body, this.#dids);
    this.#of(message.space, from)?.onSync(from, message);
  }

  #onEntries({ from, body }: MeshFrame): void {
    const entries = decodeEntries(body, this.#dids);
    this.#of(entries.space, from)?.onEntries(from, entries);
  }

  /** Of a space that is unknown here, or of which `from` is no replica, nothing is taken and nothing told. */
  #of(space: string, from: Did): Replica | undefined {
    const replica = this.#replicas.get(space);
    if (replica && isReplica(replica, from)) return replica;
    this.#options.metrics.count("easynet_state_ignored_total");
    return undefined;
  }

  #guard(from: Did, action: () => void): void {
    try {
      action();
    } catch (thrown) {
      const error = toEasynetError(thrown);
      const { metrics, logger } = this.#options;
      metrics.count("easynet_state_malformed_total", { code: error.code });
      if (error.code === "INTERNAL") logger.error("shared state failed on a message", { from, error: thrown });
      else logger.warn("state message refused", { from, code: error.code, reason: error.message });
    }
  }
}

function isReplica({ core }: Replica, did: Did): boolean {
  const { replicas } = core.spec;
  return replicas === "everyone" || replicas.includes(did);
}
