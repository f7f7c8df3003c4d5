/**
 * Who of the network lives, as a pure state machine: SWIM (Das, Gupta, Motivala 2002) with the three mends of
 * Lifeguard (Dadgar, Phillips, Currey 2017): a node that is slow itself waits longer (local health), a suspicion
 * shortens as others confirm it, and the suspected is told first. Probes run over links that exist; a lost link is a
 * probe that failed at once. Who hears of a suspicion and holds a link to the suspect looks for itself.
 */
import type { Did } from "../identity/index.ts";
import { type Random, sample } from "../kernel/index.ts";
import {
  compareLives,
  newMember,
  RumourQueue,
  supersedes,
  suspicionMs,
  type SwimMember,
  takesPart,
  updateOf,
} from "./swim-members-core.ts";
import { ProbeTable } from "./swim-probes-core.ts";
import { SWIM_RULES, type SwimRules } from "./swim-rules.ts";
import type { SwimConfig, SwimEffect, SwimInput, SwimMessage, SwimMode, SwimUpdate } from "./swim-types.ts";

export interface SwimCoreOptions {
  readonly self: Did;
  readonly epoch: number;
  readonly config: SwimConfig;
  readonly random: Random;
  readonly nowMs: number;
  readonly rules?: Partial<SwimRules>;
}

export class SwimCore {
  readonly #self: Did;
  readonly #config: SwimConfig;
  readonly #random: Random;
  readonly #rules: SwimRules;
  readonly #members = new Map<Did, SwimMember>();
  readonly #links = new Set<Did>();
  /** Members whose link broke and whom nobody has looked for yet. */
  readonly #lost = new Set<Did>();
  readonly #rumours = new RumourQueue();
  readonly #probes: ProbeTable;
  readonly #own: SwimMember;
  #mode: SwimMode = "alive";
  /** Members that take part. */
  #partCount = 1;
  /** Lifeguard's local health: 0 is well. */
  #health = 0;
  #round: Did[] = [];
  #probeAtMs = Infinity;
  #gossipAtMs = Infinity;
  /** When news was told last. */
  #toldAtMs = -Infinity;
  #syncAtMs = Infinity;
  /** No suspicion and no memory ends before. */
  #sweepAtMs = Infinity;
  #listAtMs = -Infinity;
  #effects: SwimEffect[] = [];
  #nowMs: number;

  constructor(options: SwimCoreOptions) {
    const { self, epoch, nowMs } = options;
    this.#self = self;
    this.#config = options.config;
    this.#random = options.random;
    this.#rules = { ...SWIM_RULES, ...options.rules };
    this.#probes = new ProbeTable(options.config);
    this.#nowMs = nowMs;
    this.#own = newMember({ did: self, epoch, incarnation: 0 }, nowMs);
    this.#members.set(self, this.#own);
  }

  /** Monotonic ms at which a `tick` is due. */
  get wakeAtMs(): number {
    return Math.min(this.#probeAtMs, this.#gossipAtMs, this.#syncAtMs, this.#sweepAtMs, this.#probes.dueAtMs);
  }

  get members(): ReadonlyMap<Did, Readonly<SwimMember>> {
    return this.#members;
  }

  /** 0 is well; own times are multiplied by it plus one. */
  get health(): number {
    return this.#health;
  }

  step(input: SwimInput, nowMs: number): SwimEffect[] {
    this.#nowMs = nowMs;
    this.#effects = [];
    if (input.kind === "link-up") this.#linkUp(input.peer);
    else if (input.kind === "link-down") this.#linkDown(input.peer, input.unneeded ?? false);
    else if (input.kind === "message") this.#receive(input.from, input.message);
    else if (input.kind === "mode") this.#setMode(input.mode);
    else this.#tick(input.lateMs);
    return this.#effects;
  }

  #linkUp(peer: Did): void {
    this.#links.add(peer);
    this.#lost.delete(peer);
    if (this.#probeAtMs === Infinity)
      this.#probeAtMs = this.#nowMs + this.#random.next() * this.#config.probeIntervalMs;
    if (this.#syncAtMs === Infinity) this.#syncAtMs = this.#nowMs + this.#random.next() * this.#config.syncIntervalMs;
    this.#sendDigest(peer);
    this.#tellSoon();
  }

  #linkDown(peer: Did, unneeded: boolean): void {
    this.#links.delete(peer);
    if (this.#links.size === 0) {
      this.#probeAtMs = Infinity;
      this.#syncAtMs = Infinity;
    }
    const member = this.#members.get(peer);
    if (unneeded || !member || !takesPart(member.status)) return;
    // Everybody loses a killed node at the same moment: a few look for it at once, the others unless they hear of it.
    if (this.#chosen()) this.#probe(peer);
    else this.#lost.add(peer);
  }

  /** True for about `verifiersCount` of all members. */
  #chosen(): boolean {
    return this.#random.next() * this.#partCount < this.#config.verifiersCount;
  }

  #receive(from: Did, message: SwimMessage): void {
    switch (message.kind) {
      case "probe":
        this.#mergeAll(message.updates);
        this.#send(from, { kind: "ack", probe: message.probe, updates: this.#updatesFor(from) });
        return;
      case "ack":
        this.#mergeAll(message.updates);
        this.#onAck(from, message.probe);
        return;
      case "ask":
        this.#mergeAll(message.updates);
        this.#onAsk(from, message);
        return;
      case "relayed":
        this.#onRelayed(from, message);
        return;
      case "news":
        this.#mergeAll(message.updates);
        return;
      case "digest":
        this.#mergeAll(message.updates);
        this.#onDigest(from, message);
        return;
      case "list":
        this.#mergeAll(message.updates);
        if (message.answer) this.#sendList(from, false);
    }
  }

  #onAck(from: Did, number: number): void {
    const probe = this.#probes.answered(number, from);
    if (!probe) return;
    if (probe.askedBy) {
      this.#send(probe.askedBy.peer, { kind: "relayed", probe: probe.askedBy.probe, answered: true });
      return;
    }
    if (probe.counted) this.#changeHealth(-1);
  }

  #onAsk(from: Did, { target, probe: number }: Extract<SwimMessage, { kind: "ask" }>): void {
    if (!this.#links.has(target) || this.#probes.relayedCount >= RELAYED_COUNT_MAX) {
      this.#send(from, { kind: "relayed", probe: number, answered: false });
      return;
    }
    const probe = this.#probes.relay(target, { peer: from, probe: number }, this.#nowMs);
    this.#send(target, { kind: "probe", probe, updates: this.#updatesFor(target) });
  }

  #onRelayed(from: Did, message: Extract<SwimMessage, { kind: "relayed" }>): void {
    const probe = this.#probes.relayed(message.probe, from, message.answered);
    if (!probe) return;
    if (message.answered) {
      if (probe.counted) this.#changeHealth(-1);
    } else if (probe.refusedCount === probe.askedCount && !this.#links.has(probe.target)) {
      this.#probes.remove(message.probe);
      this.#accuse(probe.target);
    }
  }

  #onDigest(from: Did, { salt, sum }: Extract<SwimMessage, { kind: "digest" }>): void {
    if (this.#rules.digest(this.#part(), salt) === sum) return;
    if (this.#nowMs < this.#listAtMs) return;
    this.#listAtMs = this.#nowMs + LIST_MS_PER_MEMBER * this.#members.size;
    this.#sendList(from, true);
  }

  #mergeAll(updates: readonly SwimUpdate[]): void {
    for (const update of updates) this.#merge(update);
  }

  #merge(update: SwimUpdate): void {
    if (update.did === this.#self) {
      this.#contradict(update);
      return;
    }
    const known = this.#members.get(update.did);
    if (!known) {
      this.#meet(update);
      return;
    }
    if (supersedes(update, known)) {
      this.#apply(known, update, known.status);
      return;
    }
    this.#rumours.heard(update);
    if (update.status === "suspect" && known.status === "suspect" && compareLives(update, known) === 0) {
      this.#confirm(known, update);
    }
  }

  /** Somebody new. Of those who are gone nothing is remembered that we did not know: else memory never ended. */
  #meet(update: SwimUpdate): void {
    if (!takesPart(update.status)) return;
    if (this.#members.size >= this.#config.membersCountMax) {
      this.#effects.push({ kind: "count", what: "members-limit" });
      return;
    }
    const { did } = update;
    const member = newMember(update, this.#nowMs);
    this.#members.set(did, member);
    this.#partCount++;
    this.#round.splice(Math.floor(this.#random.next() * (this.#round.length + 1)), 0, did);
    this.#apply(member, update, undefined);
  }

  /** @param from its status before; undefined for somebody new */
  #apply(member: SwimMember, update: SwimUpdate, from: SwimMember["status"] | undefined): void {
    const { epoch, incarnation, status, by } = update;
    // A directory that knew only the earlier process could not take our word for the later one until now.
    const isAnother = epoch !== member.epoch;
    member.accusers.clear();
    this.#partCount += Number(takesPart(status)) - Number(takesPart(member.status));
    Object.assign(member, { epoch, incarnation, status, by });
    if (status !== from) member.sinceMs = this.#nowMs;
    this.#tell(member);
    if (status === "suspect") {
      member.accusers.add(by);
      this.#sweepAtMs = Math.min(this.#sweepAtMs, this.#endsAtMs(member));
      if (by !== this.#self && this.#links.has(member.did) && this.#chosen()) this.#probe(member.did);
    } else if (!takesPart(status)) {
      this.#sweepAtMs = Math.min(this.#sweepAtMs, this.#endsAtMs(member));
    }
    if (from !== status || isAnother) this.#effects.push({ kind: "changed", did: member.did, from, to: status });
  }

  /** One more accuser: the suspicion shortens, and the confirmation is news. */
  #confirm(member: SwimMember, update: SwimUpdate): void {
    if (member.accusers.has(update.by) || member.accusers.size > this.#config.confirmationsCount) return;
    member.accusers.add(update.by);
    this.#sweepAtMs = Math.min(this.#sweepAtMs, this.#endsAtMs(member));
    this.#tell(update);
  }

  /** Others speak of this node. What is not its own word it takes back by a later one. */
  #contradict(update: SwimUpdate): void {
    const own = this.#own;
    const later = compareLives(update, own);
    const wrong = update.status !== own.status;
    if (later < 0 || (later === 0 && !wrong)) return;
    if (update.epoch > own.epoch) own.epoch = update.epoch;
    own.incarnation = this.#rules.raise(update.incarnation);
    this.#effects.push({ kind: "count", what: "refuted" });
    if (update.status === "suspect" || update.status === "dead") this.#changeHealth(1);
    this.#tell(own);
    this.#gossip();
  }

  #setMode(mode: SwimMode): void {
    if (mode === this.#mode) return;
    const from = this.#own.status;
    this.#partCount += Number(takesPart(mode)) - Number(takesPart(from));
    this.#mode = mode;
    this.#own.status = mode;
    this.#own.incarnation++;
    this.#own.sinceMs = this.#nowMs;
    this.#effects.push({ kind: "changed", did: this.#self, from, to: mode });
    const updates = [updateOf(this.#own)];
    const message: SwimMessage = { kind: "news", updates };
    if (mode === "left") for (const to of this.#links) this.#send(to, message);
    else this.#tell(this.#own);
  }

  #tick(lateMs: number): void {
    if (lateMs > this.#config.lateMsMax) this.#starved(lateMs);
    if (this.#probeAtMs <= this.#nowMs) this.#nextProbe();
    this.#endProbes();
    if (this.#sweepAtMs <= this.#nowMs) this.#sweep();
    if (this.#gossipAtMs <= this.#nowMs) this.#gossip();
    if (this.#syncAtMs <= this.#nowMs) this.#sync();
  }

  /**
   * This process did not run for a while: what others answered in that time waits unread, so nothing that runs out now
   * says anything about them. Everything is put off by the time that was lost, and a probe timeout to read.
   */
  #starved(lateMs: number): void {
    this.#effects.push({ kind: "count", what: "starved" });
    this.#changeHealth(1);
    const untilMs = this.#nowMs + this.#config.probeTimeoutMs;
    this.#probes.putOff(lateMs, untilMs);
    for (const member of this.#members.values()) {
      if (member.status !== "suspect") continue;
      member.sinceMs += Math.max(lateMs, untilMs - this.#endsAtMs(member));
    }
    this.#sweepAtMs = Math.max(this.#sweepAtMs, this.#nowMs);
  }

  #nextProbe(): void {
    this.#probeAtMs = this.#nowMs + this.#config.probeIntervalMs * (this.#health + 1);
    for (const lost of this.#lost) {
      this.#lost.delete(lost);
      const { status } = this.#members.get(lost) ?? {};
      if (status !== "alive" && status !== "maintenance") continue;
      this.#probe(lost);
      return;
    }
    for (let tried = 0; tried <= this.#members.size; tried++) {
      if (this.#round.length === 0) this.#round = sample(this.#random, [...this.#members.keys()], this.#members.size);
      const target = this.#round.pop();
      const member = target === undefined ? undefined : this.#members.get(target);
      if (!member || member === this.#own || !takesPart(member.status)) continue;
      if (!this.#links.has(member.did) || this.#probes.has(member.did)) continue;
      this.#probe(member.did);
      return;
    }
  }

  #probe(target: Did): void {
    if (this.#probes.has(target)) return;
    const linked = this.#links.has(target);
    const waitMs = linked ? this.#config.probeTimeoutMs * (this.#health + 1) : 0;
    const probe = this.#probes.start(target, this.#nowMs + waitMs);
    if (linked) this.#send(target, { kind: "probe", probe, updates: this.#updatesFor(target) });
    else this.#endProbes();
  }

  #endProbes(): void {
    for (const [number, probe] of this.#probes.due(this.#nowMs)) {
      if (probe.askedBy) {
        this.#probes.remove(number);
        this.#send(probe.askedBy.peer, { kind: "relayed", probe: probe.askedBy.probe, answered: false });
      } else if (probe.askedCount === 0 && this.#askOthers(number, probe.target)) {
        continue;
      } else {
        this.#probes.remove(number);
        const missingCount = probe.askedCount - probe.refusedCount;
        // Who did not even refuse: perhaps we are the one who hears nothing.
        if (probe.counted) this.#changeHealth(probe.askedCount > 0 ? missingCount : 1);
        this.#accuse(probe.target);
      }
    }
  }

  /** False when there is nobody to ask. */
  #askOthers(number: number, target: Did): boolean {
    const others = [...this.#links].filter((did) => did !== target && this.#members.get(did)?.status === "alive");
    const asked = sample(this.#random, others, this.#config.indirectCount);
    if (asked.length === 0) return false;
    const waitMs = 2 * this.#config.probeTimeoutMs * (this.#health + 1);
    this.#probes.ask(number, asked, this.#nowMs + waitMs);
    for (const to of asked) this.#send(to, { kind: "ask", probe: number, target, updates: this.#updatesFor(to) });
    return true;
  }

  #accuse(target: Did): void {
    const member = this.#members.get(target);
    if (!member || !takesPart(member.status)) return;
    this.#effects.push({ kind: "count", what: "probe-failed" });
    const update: SwimUpdate = { ...updateOf(member), status: "suspect", by: this.#self };
    if (member.status === "suspect") this.#confirm(member, update);
    else this.#apply(member, update, member.status);
  }

  #sweep(): void {
    this.#sweepAtMs = Infinity;
    for (const member of this.#members.values()) {
      if (member === this.#own) continue;
      const endsAtMs = this.#endsAtMs(member);
      if (endsAtMs > this.#nowMs) {
        this.#sweepAtMs = Math.min(this.#sweepAtMs, endsAtMs);
      } else if (member.status === "suspect") {
        this.#apply(member, { ...updateOf(member), status: "dead", by: this.#self }, member.status);
      } else {
        this.#members.delete(member.did);
      }
    }
  }

  /** When what holds of a member ends by itself. */
  #endsAtMs({ status, sinceMs, accusers }: SwimMember): number {
    if (status === "suspect") return sinceMs + suspicionMs(this.#config, this.#partCount, accusers.size - 1);
    return takesPart(status) ? Infinity : sinceMs + this.#config.keepMs;
  }

  #gossip(): void {
    const peers = sample(this.#random, [...this.#links], this.#config.gossipFanout);
    const updates = this.#rumours.take(this.#config.updatesCountMax, this.#tellingsMax(), peers.length);
    if (updates.length > 0) {
      const message: SwimMessage = { kind: "news", updates };
      for (const to of peers) this.#send(to, message);
    }
    this.#toldAtMs = this.#nowMs;
    this.#gossipAtMs = Infinity;
    this.#tellSoon();
  }

  #sync(): void {
    this.#syncAtMs = this.#nowMs + this.#config.syncIntervalMs;
    const [peer] = sample(this.#random, [...this.#links], 1);
    if (peer) this.#sendDigest(peer);
  }

  #sendDigest(to: Did): void {
    const salt = Math.floor(this.#random.next() * 2 ** 32);
    const sum = this.#rules.digest(this.#part(), salt);
    this.#send(to, { kind: "digest", salt, sum, updates: [updateOf(this.#own), ...this.#updatesFor(to)] });
  }

  #sendList(to: Did, answer: boolean): void {
    this.#send(to, { kind: "list", answer, updates: Array.from(this.#members.values(), updateOf) });
  }

  /** News to go with another message; what we hold against the receiver comes first, so that it can contradict. */
  #updatesFor(to: Did): SwimUpdate[] {
    const about = this.#members.get(to);
    const doubted = about && about.status !== "alive" && about.status !== "maintenance" ? [updateOf(about)] : [];
    const news = this.#rumours.take(PIGGYBACK_COUNT_MAX, this.#tellingsMax(), 1);
    return doubted.length > 0 ? [...doubted, ...news.filter(({ did }) => did !== to)] : news;
  }

  /** Das et al. 2002, section 4.1: a multiple of log N tellings by each reach everybody. */
  #tellingsMax(): number {
    return this.#config.retransmitFactor * Math.ceil(Math.log10(this.#members.size + 1));
  }

  /** Puts it among the news, to be told with the next round. */
  #tell(update: SwimMember | SwimUpdate): void {
    this.#rumours.add("sinceMs" in update ? updateOf(update) : update);
    this.#tellSoon();
  }

  /** The first news goes out almost at once; where there is much of it, the rounds keep their distance. */
  #tellSoon(): void {
    if (this.#links.size === 0 || this.#rumours.size === 0) return;
    const soonMs = Math.max(this.#nowMs + SOON_MS, this.#toldAtMs + this.#config.gossipIntervalMs);
    this.#gossipAtMs = Math.min(this.#gossipAtMs, soonMs);
  }

  *#part(): Generator<SwimMember> {
    for (const member of this.#members.values()) if (takesPart(member.status)) yield member;
  }

  #changeHealth(by: number): void {
    this.#health = Math.min(this.#config.healthMax, Math.max(0, this.#health + by));
  }

  #send(to: Did, message: SwimMessage): void {
    if (this.#links.has(to)) this.#effects.push({ kind: "send", to, message });
  }
}

/** Updates that ride on a probe or its answer, beside what concerns its receiver. */
const PIGGYBACK_COUNT_MAX = 16;
/** Fresh news waits this long for more. */
const SOON_MS = 20;
/** Between two answers with all that is known, ms per member: so lists take at most about 35 kB/s. */
const LIST_MS_PER_MEMBER = 2;
/** Probes under way for others; a further one is refused. */
const RELAYED_COUNT_MAX = 256;
