import type { Did, KeyPair } from "../identity/index.ts";
import {
  type Clock,
  EasynetError,
  type Logger,
  type Metrics,
  type Random,
  type Timer,
  toEasynetError,
} from "../kernel/index.ts";
import type { Gossip, Mesh, MeshFrame } from "../mesh/index.ts";
import type { NodeLoad, NodeRecord } from "../model/index.ts";
import type { Store } from "../storage/index.ts";
import { FRAME_TYPES } from "../wire/index.ts";
import type { sumsOf } from "./bucket-core.ts";
import { AddressBook } from "./address-book.ts";
import { Admission, type DirectoryChecks, realChecks } from "./admission.ts";
import { DirectoryCore } from "./core.ts";
import { defaultDirectoryTimes, type DirectoryTimes, type Effect, type Input } from "./core-types.ts";
import { DidCache } from "./did-cache.ts";
import { EntryBatch } from "./entry-batch.ts";
import { type EncodedRecord, encodeRecord, sealEntry } from "./entry-codec.ts";
import { finish, finishElsewhere } from "./finish.ts";
import { ENTRIES_AT_ONCE_BYTES_MAX, RECORD_BYTES_MAX } from "./limits.ts";
import { LoadSender } from "./load-sender.ts";
import { decodeEntries, decodeLoad, decodeMessage, type RawEntry } from "./messages.ts";
import { NodeList } from "./node-list.ts";
import { DIRECTORY_TOPIC, DirectorySender } from "./sender.ts";
import type { Directory, DirectoryEvents, DirectoryNode, FindQuery, NodeStatusSource, Offer } from "./types.ts";

export interface DirectoryOptions {
  readonly mesh: Mesh;
  /** The node's own key: signs its entry. */
  readonly keyPair: Pick<KeyPair, "did" | "sign">;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** Must be larger at each start of the process. @default the wall clock in ms */
  readonly epoch?: number;
  /** Spreads changes of the own entry when there are many links; without it each link carries them. */
  readonly gossip?: Gossip;
  /** Decides who is alive; without it, links and leases do. */
  readonly liveness?: NodeStatusSource;
  /** Keeps the addresses of members over a restart. */
  readonly store?: Store;
  readonly config?: Partial<DirectoryTimes>;
  /** For simulations. */
  readonly checks?: DirectoryChecks;
  /** For simulations. */
  readonly sums?: typeof sumsOf;
}

/** The directory of `mesh`; claims the directory and load frame types of it. */
export function createDirectory(options: DirectoryOptions): Directory {
  return new MeshDirectory(options);
}

type Listeners = { readonly [Name in keyof DirectoryEvents]: Set<(...values: DirectoryEvents[Name]) => void> };

/** The longest that a timer of Node.js takes, 24.8 days; a tick that comes too early does nothing. */
const TIMER_MS_MAX = 2 ** 31 - 1;

class MeshDirectory implements Directory {
  readonly #options: DirectoryOptions;
  readonly #times: DirectoryTimes;
  readonly #core: DirectoryCore;
  readonly #admission: Admission;
  readonly #checks: DirectoryChecks;
  readonly #list: NodeList;
  readonly #sender: DirectorySender;
  readonly #loads: LoadSender;
  readonly #book: AddressBook;
  readonly #dids = new DidCache();
  readonly #linked = new Set<Did>();
  readonly #listeners: Listeners = { "node-changed": new Set(), "node-gone": new Set() };
  readonly #meshListeners: Disposable[];
  #epoch: number;
  #sequence = 0;
  /** What this node publishes; undefined before the first time and after it left. */
  #own: EncodedRecord | undefined;
  /** Records that were given to be published, and the last of them that was. */
  #givenCount = 0;
  #publishedNumber = 0;
  #running = true;
  #timer: Timer | undefined;
  #timerAtMs = Infinity;

  constructor(options: DirectoryOptions) {
    const { mesh, clock, random, metrics } = options;
    this.#options = options;
    this.#times = { ...defaultDirectoryTimes, ...options.config };
    this.#epoch = options.epoch ?? Math.floor(clock.nowMs());
    const { liveness } = options;
    const statusOf = liveness && ((did: Did) => liveness.statusOf(did));
    const { sums } = options;
    const watched = { ...(statusOf && { statusOf }), ...(sums && { sums }) };
    const core = new DirectoryCore({ self: mesh.self, times: this.#times, random, ...watched });
    this.#core = core;
    const known = (owner: Did) => core.owners.get(owner);
    this.#checks = options.checks ?? realChecks;
    this.#admission = new Admission({
      clock,
      checks: this.#checks,
      skewMs: this.#times.skewMs,
      dids: this.#dids,
      known,
    });
    this.#list = new NodeList(clock, core.owners);
    this.#sender = new DirectorySender(mesh, metrics, options.gossip);
    options.gossip?.handle(DIRECTORY_TOPIC, (from, body) => this.#onSpread(from, body));
    this.#loads = new LoadSender({ clock, send: (load) => this.#sender.sendLoad(load, [...this.#linked]) });
    this.#book = new AddressBook(options.store, options.logger);
    mesh.handle(FRAME_TYPES["directory-digest"], (frame) => this.#guard(frame, () => this.#onMessage(frame)));
    mesh.handle(FRAME_TYPES["directory-entries"], (frame) => this.#onEntries(frame));
    mesh.handle(FRAME_TYPES.load, (frame) => this.#guard(frame, () => this.#onLoad(frame)));
    this.#meshListeners = [
      mesh.on("peer-joined", (peer) => this.#onJoined(peer.did)),
      mesh.on("peer-left", (peer) => this.#onLeft(peer.did)),
      ...(liveness ? [liveness.onChange((owner) => this.#step({ kind: "status", owner }))] : []),
    ];
    for (const peer of mesh.peers()) this.#onJoined(peer.did);
  }

  async start(): Promise<void> {
    this.#loads.start();
    for (const { did, addresses } of this.#book.load()) {
      if (did !== this.#options.mesh.self) this.#options.mesh.learn(did, addresses);
    }
  }

  async stop(): Promise<void> {
    this.#running = false;
    this.#loads.stop();
    this.#timer?.cancel();
    for (const listener of this.#meshListeners) listener[Symbol.dispose]();
  }

  async publish(record: NodeRecord): Promise<void> {
    const { bytes } = encodeRecord(record);
    if (bytes.length > RECORD_BYTES_MAX) {
      const reason = `the record has ${bytes.length} bytes, ${RECORD_BYTES_MAX} are allowed`;
      throw new EasynetError("CARD_INVALID", { agent: record.name, reason });
    }
    const number = ++this.#givenCount;
    const checking = this.#admission.check(this.#options.mesh.self, record);
    const { verifySignature, verifyElsewhere } = this.#checks;
    const checked = await (verifyElsewhere
      ? finishElsewhere(checking, verifyElsewhere)
      : finish(checking, verifySignature));
    // A later record, or the end, may have been faster.
    if (number < this.#publishedNumber) return;
    this.#publishedNumber = number;
    this.#own = encodeRecord(checked);
    this.#issue(this.#own);
  }

  setLoad(load: NodeLoad): void {
    this.#loads.set(load);
    this.#step({ kind: "load", from: this.#options.mesh.self, load });
  }

  async leave(): Promise<void> {
    this.#publishedNumber = ++this.#givenCount;
    if (!this.#own) return;
    this.#own = undefined;
    this.#issue(undefined);
    await this.#sender.drained();
  }

  nodes(): readonly DirectoryNode[] {
    return this.#list.all();
  }

  find(query: FindQuery): readonly Offer[] {
    return this.#list.find(query);
  }

  on<Name extends keyof DirectoryEvents>(name: Name, listener: (...values: DirectoryEvents[Name]) => void): Disposable {
    const listeners: Listeners[Name] = this.#listeners[name];
    listeners.add(listener);
    return { [Symbol.dispose]: () => void listeners.delete(listener) };
  }

  #issue(encoded: EncodedRecord | undefined, aboveEpoch?: number): void {
    if (aboveEpoch !== undefined && aboveEpoch >= this.#epoch) {
      this.#options.logger.warn("own directory entry seen with a later epoch", { epoch: aboveEpoch });
      this.#epoch = aboveEpoch + 1;
      this.#sequence = 0;
    }
    const { keyPair, clock } = this.#options;
    const version = { epoch: this.#epoch, sequence: ++this.#sequence, issuedAtMs: Math.floor(clock.nowMs()) };
    this.#step({ kind: "issued", entry: sealEntry(keyPair, version, encoded) });
  }

  #onJoined(peer: Did): void {
    this.#linked.add(peer);
    this.#step({ kind: "link-up", peer });
    const { load } = this.#loads;
    if (load) this.#sender.sendLoad(load, [peer]);
  }

  #onLeft(peer: Did): void {
    this.#linked.delete(peer);
    this.#step({ kind: "link-down", peer });
  }

  #onMessage({ from, body }: MeshFrame): void {
    this.#step({ ...decodeMessage(body, this.#dids), from });
  }

  #onLoad({ from, body }: MeshFrame): void {
    this.#step({ kind: "load", from, load: decodeLoad(body) });
  }

  /** Large frames are checked on other threads; they count as consumed only then, so that a flood slows itself. */
  #onEntries(frame: Pick<MeshFrame, "from" | "body">, spread = false): void | Promise<void> {
    const { from, body } = frame;
    let raws: readonly RawEntry[] = [];
    this.#guard(frame, () => {
      raws = decodeEntries(body);
    });
    const { verifySignature, verifyElsewhere } = this.#checks;
    if (verifyElsewhere && body.length > ENTRIES_AT_ONCE_BYTES_MAX) {
      return this.#admitSlowly({ from, spread }, raws, verifyElsewhere);
    }
    const batch = new EntryBatch(this.#options.clock);
    for (const raw of raws)
      this.#guard(frame, () => batch.add(raw, finish(this.#admission.admit(raw), verifySignature)));
    this.#take({ from, spread }, batch);
    return undefined;
  }

  /** An entry that came by a broadcast. */
  #onSpread(from: Did, body: Uint8Array): void {
    Promise.resolve(this.#onEntries({ from, body }, true)).catch((error: unknown) => this.#refuse(from, error));
  }

  async #admitSlowly(
    by: { readonly from: Did; readonly spread: boolean },
    raws: readonly RawEntry[],
    verify: NonNullable<DirectoryChecks["verifyElsewhere"]>,
  ): Promise<void> {
    const { from } = by;
    for (const raw of raws) {
      const batch = new EntryBatch(this.#options.clock);
      try {
        batch.add(raw, await finishElsewhere(this.#admission.admit(raw), verify));
      } catch (error) {
        this.#refuse(from, error);
      }
      if (!this.#running) return;
      this.#take(by, batch);
    }
  }

  #take({ from, spread }: { readonly from: Did; readonly spread: boolean }, batch: EntryBatch): void {
    const { news, lines, missing } = batch;
    if (news.length > 0) this.#step({ kind: "entries", from, entries: news, spread });
    if (lines.length > 0) this.#step({ kind: "lines", from, lines });
    if (missing.length > 0) this.#sender.send({ kind: "send-want", to: from, versions: missing });
  }

  /** What a peer sends may be anything: it is refused and counted, the link stays. */
  #guard({ from }: Pick<MeshFrame, "from">, action: () => void): void {
    try {
      action();
    } catch (error) {
      this.#refuse(from, error);
    }
  }

  #refuse(from: Did, thrown: unknown): void {
    const error = toEasynetError(thrown);
    const { metrics, logger } = this.#options;
    metrics.count("easynet_directory_refused_total", { code: error.code });
    if (error.code === "INTERNAL") logger.error("directory failed on a message", { from, error: thrown });
    else logger.warn("directory message refused", { from, code: error.code, reason: error.message });
  }

  #step(input: Input): void {
    if (!this.#running) return;
    for (const effect of this.#core.step(input, this.#options.clock.monotonicMs())) this.#perform(effect);
    this.#arm();
  }

  #perform(effect: Effect): void {
    switch (effect.kind) {
      case "issue":
        if (this.#own) this.#issue(this.#own, effect.aboveEpoch);
        break;
      case "changed":
        this.#changed(effect.owner);
        break;
      case "gone":
        for (const listener of this.#listeners["node-gone"]) listener(effect.owner, effect.status);
        break;
      case "load-changed":
        this.#list.refresh(effect.owner);
        break;
      case "learn":
        this.#learn(effect.owner, effect.addresses);
        break;
      case "forget":
        this.#options.mesh.forget(effect.owner);
        this.#book.forget(effect.owner);
        break;
      case "count":
        this.#options.metrics.count("easynet_directory_entries_ignored_total", { reason: effect.what });
        break;
      case "spread":
        this.#sender.spread(effect);
        break;
      case "send-entries":
      case "send-digest":
      case "send-sums":
      case "send-buckets":
      case "send-news":
      case "send-want":
      case "send-suspect":
      case "send-vouch":
        this.#sender.send(effect);
        break;
    }
  }

  #changed(owner: Did): void {
    const node = this.#list.update(owner);
    if (!node) return;
    for (const listener of this.#listeners["node-changed"]) listener(node);
  }

  #learn(owner: Did, addresses: readonly string[]): void {
    if (addresses.length === 0 || owner === this.#options.mesh.self) return;
    this.#options.mesh.learn(owner, addresses);
    this.#book.remember(owner, addresses);
  }

  #arm(): void {
    const atMs = this.#core.wakeAtMs;
    if (atMs === this.#timerAtMs) return;
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#timerAtMs = atMs;
    if (atMs === Infinity) return;
    const delayMs = Math.min(TIMER_MS_MAX, Math.max(0, atMs - this.#options.clock.monotonicMs()));
    this.#timer = this.#options.clock.setTimer(delayMs, () => {
      this.#timerAtMs = Infinity;
      this.#step({ kind: "tick" });
    });
  }
}
