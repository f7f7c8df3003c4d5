/**
 * The replicated directory as a pure state machine: a map of owner-signed entries in which only the owner writes, so
 * that merging is "the larger (epoch, sequence) wins". Changes are pushed by the owner and announced onwards; digests
 * repair what was missed (Demers et al. 1987, sections 1.3-1.4: rumour mongering backed by anti-entropy). Liveness is
 * a link, the word of a linked member, or a lease that the owner renews; a suspected owner is asked about before it
 * is declared dead, as in SWIM (Das et al. 2002, section 4.2), with links in the place of probes.
 */
import type { Did } from "../identity/index.ts";
import { type Random, sample } from "../kernel/index.ts";
import type { NodeStatus } from "../model/index.ts";
import { AntiEntropy } from "./anti-entropy-core.ts";
import {
  compareVersions,
  type CoreOptions,
  type DirectoryTimes,
  type Effect,
  type Entry,
  type Input,
  type Known,
  type ReceivedEntry,
  type Version,
  type View,
} from "./core-types.ts";
import { endsAtMs, hereCount, linesOf, newKnown, oldestGone, statusBy, stretched, viewOf } from "./known.ts";
import { News } from "./news.ts";
import { NEWS_FANOUT, PASSED_ON_COUNT_MAX, spreadOf } from "./spread-core.ts";
import { Wanted } from "./wanted.ts";

/** Owners known at once; the oldest that is gone makes room, otherwise a newcomer is refused and counted. */
export const OWNERS_COUNT_MAX = 5000;
/** Peers that are asked about a suspect. */
const ASKED_COUNT_MAX = 32;
/** The own entry is not defended more often than this. */
const REFUTE_INTERVAL_MS = 1000;

export class DirectoryCore {
  readonly #self: Did;
  readonly #times: DirectoryTimes;
  readonly #random: Random;
  readonly #statusOf: NonNullable<CoreOptions["statusOf"]>;
  /** A failure detector decides who lives. */
  readonly #watching: boolean;
  readonly #antiEntropy: AntiEntropy;
  readonly #ownersCountMax: number;
  readonly #known = new Map<Did, Known>();
  readonly #links = new Set<Did>();
  readonly #wanted = new Wanted();
  readonly #news: News;
  #renewAtMs = Infinity;
  #digestAtMs = Infinity;
  /** No suspicion, lease or tombstone ends before. */
  #sweepAtMs = Infinity;
  #refutedAtMs = -Infinity;
  #effects: Effect[] = [];
  #nowMs = 0;

  constructor(options: CoreOptions) {
    this.#self = options.self;
    this.#times = options.times;
    this.#news = new News(options.times.newsMs);
    this.#random = options.random;
    this.#statusOf = options.statusOf ?? (() => undefined);
    this.#watching = options.statusOf !== undefined;
    this.#antiEntropy = new AntiEntropy(options, this.#known, this.#wanted);
    this.#ownersCountMax = options.ownersCountMax ?? OWNERS_COUNT_MAX;
  }

  /** Monotonic ms at which a `tick` is due. */
  get wakeAtMs(): number {
    return Math.min(this.#renewAtMs, this.#digestAtMs, this.#news.dueAtMs, this.#sweepAtMs);
  }

  get owners(): ReadonlyMap<Did, Readonly<Known>> {
    return this.#known;
  }

  /** @param nowMs monotonic */
  step(input: Input, nowMs: number): Effect[] {
    this.#nowMs = nowMs;
    this.#effects = [];
    this.#apply(input);
    return this.#effects;
  }

  #apply(input: Input): void {
    switch (input.kind) {
      case "issued":
        return this.#issued(input.entry);
      case "link-up":
        return this.#linkUp(input.peer);
      case "link-down":
        return this.#linkDown(input.peer);
      case "entries":
        return this.#receive(input);
      case "lines":
        return this.#compare(input);
      case "sums":
        this.#compare({ kind: "lines", from: input.from, lines: input.own });
        this.#effects.push(...this.#antiEntropy.onSums(input));
        return;
      case "wanted":
        this.#effects.push(...this.#antiEntropy.onWant(input.from, input.versions));
        return;
      case "suspected":
        return this.#suspected(input.from, input.owners);
      case "vouched":
        return input.owners.forEach((owner) => this.#vouch(owner, input.from));
      case "load":
        return this.#load(input);
      case "status":
        return this.#statusChanged(input.owner);
      case "tick":
        return this.#tick();
    }
  }

  #issued(entry: Entry): void {
    const before = this.#known.get(this.#self);
    const sameRecord = before?.entry.recordHash === entry.recordHash && before.entry.status === entry.status;
    const known = before ?? this.#add(entry);
    known.entry = entry;
    if (!sameRecord) known.recordSince = entry;
    known.confirmed = true;
    known.status = entry.status;
    if (entry.status === "alive") this.#watch(known);
    known.lastSeenMs = this.#nowMs;
    this.#renewAtMs = entry.status === "left" ? Infinity : this.#nowMs + this.#stretched(this.#times.renewMs);
    if (!sameRecord) this.#effects.push({ kind: "changed", owner: this.#self });
    const item = { entry, view: viewOf(known), withRecord: !sameRecord && entry.status === "alive" };
    const links = [...this.#links];
    if (links.length === 0) return;
    const isRenewal = sameRecord && entry.status === "alive";
    const here = hereCount(this.#known.values());
    this.#effects.push(spreadOf(item, { links, hereCount: here, isRenewal, random: this.#random }));
  }

  #linkUp(peer: Did): void {
    this.#links.add(peer);
    const known = this.#known.get(peer);
    // Perhaps another process than the one we knew: its own digest tells.
    if (known) {
      known.confirmed = false;
      this.#sweepAtMs = Math.min(this.#sweepAtMs, endsAtMs(known));
    }
    if (this.#digestAtMs === Infinity) this.#digestAtMs = this.#nowMs + this.#random.next() * this.#times.digestMs;
    this.#effects.push(this.#antiEntropy.digest(peer));
  }

  #linkDown(peer: Did): void {
    this.#links.delete(peer);
    this.#wanted.clear();
    for (const known of this.#known.values()) known.vouchers.delete(peer);
    if (this.#links.size === 0) this.#digestAtMs = Infinity;
    const known = this.#known.get(peer);
    if (!known) return;
    known.confirmed = false;
    if (known.status === "alive") this.#suspect([known]);
  }

  #receive({ from, entries, spread }: Extract<Input, { kind: "entries" }>): void {
    const changed: Did[] = [];
    for (const received of entries) {
      const { entry, view } = received;
      this.#wanted.arrived(entry.owner);
      const known = this.#known.get(entry.owner);
      const newer = known ? compareVersions(entry, known.entry) : 1;
      if (entry.owner === this.#self) this.#defend(entry);
      else if (newer > 0) this.#merge({ from, ...(spread && { spread }) }, received, changed);
      else if (newer === 0) this.#weigh(from, view, entry.owner);
      else this.#effects.push({ kind: "count", what: "entry-stale" });
    }
    if (changed.length === 0 || spread) return;
    const others = [...this.#links].filter((to) => to !== from);
    for (const to of sample(this.#random, others, PASSED_ON_COUNT_MAX)) this.#sendLines(to, changed);
  }

  #sendLines(to: Did, owners: readonly Did[]): void {
    const lines = linesOf(this.#known, owners).filter(({ owner }) => owner !== to);
    if (lines.length > 0) this.#effects.push({ kind: "send-news", to, lines });
  }

  /** An entry newer than what is known. Owners whose content changed are added to `changed`. */
  #merge(
    { from, spread }: Pick<Extract<Input, { kind: "entries" }>, "from" | "spread">,
    received: ReceivedEntry,
    changed: Did[],
  ): void {
    const { entry, ageMs } = received;
    const { owner } = entry;
    if (ageMs > this.#times.acceptMs) {
      this.#effects.push({ kind: "count", what: "entry-expired" });
      return;
    }
    const before = this.#known.get(owner);
    if (!before && !this.#makeRoom()) {
      this.#effects.push({ kind: "count", what: "entry-limit" });
      return;
    }
    const sameRecord = before !== undefined && before.entry.recordHash === entry.recordHash;
    const sameAddresses = sameRecord && before.status === "alive";
    const statusBefore = before?.status;
    const known = before ?? this.#add(entry);
    // It spoke again after it left, or is another process than the lost one.
    if (known.entry.status === "left" || entry.epoch > known.entry.epoch) known.lostAtMs = -Infinity;
    known.entry = entry;
    known.expiresAtMs = this.#nowMs + this.#times.tombstoneMs - Math.max(0, ageMs);
    known.lastSeenMs = this.#nowMs - Math.max(0, ageMs);
    if (!sameRecord) known.recordSince = entry;
    known.confirmed = this.#links.has(owner) && (known.confirmed || from === owner);
    this.#judge(known, received, from);
    const statusChanged = known.status !== statusBefore;
    if (known.status === "alive" && !sameAddresses) {
      this.#effects.push({ kind: "learn", owner, addresses: entry.record?.addresses ?? [] });
    }
    if (!sameRecord || statusChanged) this.#tell(known, statusChanged && statusBefore !== undefined);
    if (!sameRecord) changed.push(owner);
    else if (!spread) this.#news.add(owner, from, this.#nowMs);
  }

  /** Status of a newer entry, from the entry, the links, and what its sender thinks. */
  #judge(known: Known, { entry, view, ageMs }: ReceivedEntry, from: Did): void {
    if (entry.status === "left") {
      this.#effects.push({ kind: "forget", owner: entry.owner });
      this.#setStatus(known, "left");
      return;
    }
    if (this.#watch(known)) return;
    const { skewMs } = this.#times;
    const leaseMs = this.#stretched(this.#times.leaseMs);
    const leftMs = Math.min(leaseMs, leaseMs + skewMs - ageMs);
    known.leaseUntilMs = this.#nowMs + leftMs;
    const vouched = view === "linked" && this.#links.has(from);
    if (vouched) known.vouchers.add(from);
    const fresh = leftMs > 0 && this.#nowMs - ageMs > known.lostAtMs;
    if (known.confirmed) this.#setStatus(known, "alive");
    else if (vouched) this.#setStatus(known, "alive", this.#nowMs + leaseMs);
    else if (known.status === "alive") this.#doubtOrLease(known, view, leftMs);
    else if (view === "leased" && fresh) this.#setStatus(known, "alive");
    // An old state of what is gone proves nothing.
    else this.#setStatus(known, known.status);
  }

  #doubtOrLease(known: Known, view: View, leftMs: number): void {
    if (view === "suspect" || view === "dead") this.#suspect([known]);
    else this.#setStatus(known, leftMs > 0 ? "alive" : "dead");
  }

  #compare(input: Extract<Input, { kind: "lines" }>): void {
    const { effects, equal } = this.#antiEntropy.onLines(input, this.#nowMs);
    for (const { owner, view } of equal) this.#weigh(input.from, view, owner);
    this.#effects.push(...effects);
  }

  /** Takes over what the failure detector says. False when it has not heard of this process of the owner. */
  #watch(known: Known): boolean {
    const status = statusBy(this.#statusOf(known.entry.owner), known);
    known.watched = status !== undefined;
    if (status) this.#setStatus(known, status);
    return known.watched;
  }

  #statusChanged(owner: Did): void {
    const known = this.#known.get(owner);
    if (!known || known.entry.status === "left") return;
    const before = known.status;
    if (!this.#watch(known) || known.status === before) return;
    if (before === "dead") {
      this.#effects.push({ kind: "learn", owner, addresses: known.entry.record?.addresses ?? [] });
    }
    this.#tell(known, true);
  }

  /** What a peer thinks of an owner of which both know the same version. */
  #weigh(from: Did, view: View, owner: Did): void {
    const known = this.#known.get(owner);
    if (!known || known.entry.status === "left") return;
    if (owner === this.#self) {
      if (!known.watched && (view === "suspect" || view === "dead")) this.#defend(known.entry);
      return;
    }
    if (from === owner) {
      known.confirmed = this.#links.has(owner);
      known.lastSeenMs = this.#nowMs;
      if (known.confirmed) this.#revive(known);
      return;
    }
    if (known.watched) return;
    if (view === "linked") this.#vouch(owner, from);
    if (view !== "suspect" && view !== "dead") return;
    known.vouchers.delete(from);
    if (view === "suspect") return;
    if (known.confirmed) this.#vouchFor([owner], from);
    else if (known.status === "alive") this.#suspect([known]);
  }

  #vouch(owner: Did, from: Did): void {
    const known = this.#known.get(owner);
    if (!known || known.entry.status === "left" || owner === this.#self || !this.#links.has(from)) return;
    known.vouchers.add(from);
    known.leaseUntilMs = Math.max(known.leaseUntilMs, this.#nowMs + this.#stretched(this.#times.leaseMs));
    this.#revive(known);
  }

  #revive(known: Known): void {
    if (known.status === "alive" || known.watched) return;
    this.#setStatus(known, "alive", this.#nowMs + this.#stretched(this.#times.leaseMs));
    this.#effects.push({ kind: "learn", owner: known.entry.owner, addresses: known.entry.record?.addresses ?? [] });
    this.#tell(known, true);
  }

  #suspected(from: Did, owners: readonly Did[]): void {
    const vouchFor: Did[] = [];
    const doubtful: Known[] = [];
    for (const owner of owners) {
      const known = this.#known.get(owner);
      if (!known) continue;
      if (known.confirmed && known.status === "alive") {
        vouchFor.push(owner);
        continue;
      }
      known.vouchers.delete(from);
      if (known.status === "alive" && known.vouchers.size === 0 && !known.watched) doubtful.push(known);
    }
    if (vouchFor.length > 0) this.#vouchFor(vouchFor, from);
    if (doubtful.length > 0) this.#suspect(doubtful);
  }

  /** Answers who doubts, and lets the doubted say so itself: its next issue convinces those further away. */
  #vouchFor(owners: readonly Did[], to: Did): void {
    this.#effects.push({ kind: "send-vouch", to, owners });
    for (const owner of owners) {
      const known = this.#known.get(owner);
      if (owner === this.#self && known) this.#defend(known.entry);
      else if (owner !== to) this.#effects.push({ kind: "send-suspect", to: owner, owners: [owner] });
    }
  }

  /** Not listed any more from now on; others get `deadAfterMs` to vouch for it. */
  #suspect(doubtful: readonly Known[]): void {
    const untilMs = this.#nowMs + this.#times.deadAfterMs;
    this.#sweepAtMs = Math.min(this.#sweepAtMs, untilMs);
    const owners: Did[] = [];
    for (const known of doubtful) {
      if (known.status === "suspect" || known.watched) continue;
      known.suspectUntilMs = untilMs;
      this.#setStatus(known, "suspect");
      this.#tell(known, true);
      owners.push(known.entry.owner);
    }
    if (owners.length === 0) return;
    for (const to of sample(this.#random, [...this.#links], ASKED_COUNT_MAX)) {
      this.#effects.push({ kind: "send-suspect", to, owners });
    }
  }

  /** Somebody doubts this node, or knows a later own entry from before a restart: it says again that it is here. */
  #defend(seen: Version): void {
    const own = this.#known.get(this.#self);
    if (!own || own.entry.status === "left") return;
    const aboveEpoch = compareVersions(seen, own.entry) > 0 ? seen.epoch : undefined;
    if (this.#nowMs < this.#refutedAtMs + REFUTE_INTERVAL_MS) {
      this.#renewAtMs = Math.min(this.#renewAtMs, this.#refutedAtMs + REFUTE_INTERVAL_MS);
      return;
    }
    this.#refutedAtMs = this.#nowMs;
    this.#effects.push({ kind: "issue", ...(aboveEpoch !== undefined && { aboveEpoch }) });
  }

  #load({ from, load }: Extract<Input, { kind: "load" }>): void {
    const known = this.#known.get(from);
    if (!known) return;
    known.load = load;
    known.lastSeenMs = this.#nowMs;
    this.#effects.push({ kind: "load-changed", owner: from });
  }

  #tick(): void {
    const nowMs = this.#nowMs;
    if (this.#renewAtMs <= nowMs) {
      this.#renewAtMs = nowMs + this.#stretched(this.#times.renewMs);
      this.#effects.push({ kind: "issue" });
    }
    if (this.#digestAtMs <= nowMs) {
      this.#digestAtMs = nowMs + this.#times.digestMs;
      const [to] = sample(this.#random, [...this.#links], 1);
      if (to) this.#effects.push(this.#antiEntropy.digest(to));
    }
    if (this.#news.dueAtMs <= nowMs) this.#sendNews();
    if (this.#sweepAtMs <= nowMs) this.#sweep();
  }

  #sendNews(): void {
    for (const to of sample(this.#random, [...this.#links], NEWS_FANOUT)) this.#sendLines(to, this.#news.for(to));
    this.#news.clear();
  }

  #sweep(): void {
    const nowMs = this.#nowMs;
    const died: Did[] = [];
    this.#sweepAtMs = Infinity;
    for (const [owner, known] of this.#known) {
      if (owner === this.#self) continue;
      if ((known.status === "suspect" || known.status === "alive") && endsAtMs(known) <= nowMs) {
        this.#setStatus(known, "dead");
        this.#tell(known, true);
        died.push(owner);
      }
      if (known.status !== "alive" && known.expiresAtMs <= nowMs) this.#remove(owner);
      else this.#sweepAtMs = Math.min(this.#sweepAtMs, endsAtMs(known));
    }
    this.#announce(died);
  }

  /** Tells peers of the dead, so that those who are not linked to them need not wait for the lease. */
  #announce(died: readonly Did[]): void {
    if (died.length === 0) return;
    for (const to of sample(this.#random, [...this.#links], ASKED_COUNT_MAX)) this.#sendLines(to, died);
  }

  #remove(owner: Did): void {
    this.#known.delete(owner);
    this.#effects.push({ kind: "forget", owner });
  }

  #setStatus(known: Known, status: NodeStatus, leaseUntilMs = known.leaseUntilMs): void {
    known.status = status;
    known.leaseUntilMs = Math.max(known.leaseUntilMs, leaseUntilMs);
    if (status !== "suspect") known.suspectUntilMs = Infinity;
    if (status === "dead" || status === "left") known.vouchers.clear();
    if (status === "alive") known.lostAtMs = -Infinity;
    else if (known.lostAtMs === -Infinity) known.lostAtMs = this.#nowMs;
    this.#sweepAtMs = Math.min(this.#sweepAtMs, endsAtMs(known));
  }

  /** Tells the service of a changed owner. */
  #tell(known: Known, statusChanged: boolean): void {
    const { owner } = known.entry;
    this.#effects.push({ kind: "changed", owner });
    const { status } = known;
    if (statusChanged && (status === "dead" || status === "left")) this.#effects.push({ kind: "gone", owner, status });
  }

  #stretched(ms: number): number {
    return this.#watching ? stretched(ms, this.#known.size) : ms;
  }

  #add(entry: Entry): Known {
    const known = newKnown(entry, this.#nowMs);
    this.#known.set(entry.owner, known);
    return known;
  }

  /** False when the directory is full of nodes that are not gone. */
  #makeRoom(): boolean {
    if (this.#known.size < this.#ownersCountMax) return true;
    const oldest = oldestGone(this.#known.values());
    if (!oldest) return false;
    this.#remove(oldest.entry.owner);
    return true;
  }
}
