import type { Did } from "../../identity/index.ts";
import { type Clock, type Logger, type Random, repeat, type Timer } from "../../kernel/index.ts";
import { LeaseTimers } from "../critical/lease-timers.ts";
import type { Batch, Reply } from "../critical/operations.ts";
import type { Lease } from "../critical/types.ts";
import type { Watchers } from "../critical/watchers.ts";
import { decodeConfChange } from "../raft/conf-change.ts";
import { entryBytes } from "../raft/entries.ts";
import { MemoryStorage } from "../raft/memory-storage.ts";
import { RawNode } from "../raft/raw-node.ts";
import {
  type ConfChangeV2,
  type ConfState,
  type Entry,
  LOCAL_APPEND_THREAD,
  LOCAL_APPLY_THREAD,
  type Message,
  NONE,
  type RaftStatus,
  type Snapshot,
  type SoftState,
} from "../raft/types.ts";
import type { GroupDisk, GroupMeta, LoadedGroup } from "./group-disk.ts";
import { type Command, encodeCommand, GroupState } from "./group-state.ts";
import * as limits from "./limits.ts";
import { Reads } from "./reads.ts";

/**
 * "refused": nothing was done, because this node does not lead or takes nothing now. "moved": it may be in the log, and
 * this node leads no more. After both, whoever leads is to be asked again.
 */
export type Proposed =
  | { readonly kind: "replies"; readonly replies: readonly Reply[] | undefined }
  | { readonly kind: "refused" | "moved" };

export interface ReplicaOptions {
  readonly group: string;
  readonly disk: GroupDisk;
  readonly loaded: LoadedGroup;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly watchers: Watchers;
  /** Messages for other members, in order; may be lost. */
  readonly send: (to: Did, messages: readonly Message[]) => void;
  /** Who leads, or what this node is, changed. */
  readonly onRole: () => void;
  /** The members changed; `removed`: this node is none any more. */
  readonly onMembers: (change: { readonly removed: boolean }) => void;
  /** The log cannot be kept any more: the replica stopped. */
  readonly onFailed: (error: unknown) => void;
}

/**
 * One member of one group: performs what the Raft core says. Writes go to the disk while the messages that carry the same
 * entries are under way; nothing that answers for them leaves before they are durable (the core's asynchronous storage
 * writes). The log is also kept in memory, for the core to read.
 */
export class Replica {
  readonly meta: GroupMeta;
  readonly leases: LeaseTimers;
  readonly #options: ReplicaOptions;
  readonly #node: RawNode;
  readonly #memory = new MemoryStorage();
  readonly #heard = new Map<number, Did>();
  readonly #outbox = new Map<number, Message[]>();
  readonly #news = new Map<number, Message>();
  readonly #pending = new Map<string, (outcome: Proposed) => void>();
  readonly #reads = new Reads();
  #state: GroupState;
  #confState: ConfState;
  #appliedIndex: number;
  #soft: SoftState = { lead: NONE, raftState: "StateFollower" };
  #term = 0;
  #vote = 0;
  #ticks = 0;
  #logBytes = 0;
  #compacting = false;
  #changedMembers = false;
  /** Ends when everything handed to the disk so far is durable and was told to the core. */
  #written: Promise<void> = Promise.resolve();
  #timer: Timer | undefined;
  #pumping = false;
  #stopped = false;

  constructor(options: ReplicaOptions) {
    const { loaded, clock, random } = options;
    const { snapshot, entries, hardState } = loaded;
    this.#options = options;
    this.meta = loaded.meta;
    this.leases = new LeaseTimers(clock);
    if (snapshot) this.#memory.applySnapshot(snapshot);
    this.#memory.append(entries);
    const index = snapshot?.metadata.index ?? 0;
    if (hardState) this.#memory.setHardState({ ...hardState, commit: Math.max(hardState.commit, index) });
    this.#term = hardState?.term ?? 0;
    this.#vote = hardState?.vote ?? 0;
    this.#state = snapshot ? GroupState.decode(snapshot.data) : new GroupState();
    this.#confState = this.#memory.initialState().confState;
    this.#appliedIndex = index;
    this.#node = new RawNode({
      id: this.meta.id,
      electionTick: limits.ELECTION_TICKS,
      heartbeatTick: limits.HEARTBEAT_TICKS,
      storage: this.#memory,
      random,
      applied: index,
      asyncStorageWrites: true,
      maxSizePerMsg: limits.APPEND_BYTES_MAX,
      maxInflightMsgs: limits.APPENDS_IN_FLIGHT_MAX,
      maxUncommittedEntriesSize: limits.UNCOMMITTED_BYTES_MAX,
      checkQuorum: true,
      preVote: true,
      stepDownOnRemoval: true,
      disableProposalForwarding: true,
    });
  }

  start(): void {
    this.#timer = repeat(this.#options.clock, limits.TICK_MS, () => this.#tick());
    // A group of one need not wait for a leader that cannot be.
    if (this.#confState.voters.length === 1 && this.#confState.voters[0] === this.meta.id) this.#node.campaign();
    this.#pump();
  }

  /** What was acknowledged is on disk; everything else may be lost. */
  async stop(): Promise<void> {
    this.#halt();
    await this.#written.catch(() => undefined);
  }

  get state(): GroupState {
    return this.#state;
  }

  get confState(): ConfState {
    return this.#confState;
  }

  get leads(): boolean {
    return this.#soft.raftState === "StateLeader" && !this.#stopped;
  }

  /** The node that leads, as far as is known here. */
  get leader(): Did | undefined {
    return this.#stopped ? undefined : this.didOf(this.#soft.lead);
  }

  didOf(id: number): Did | undefined {
    return this.#state.members.get(id)?.did ?? this.#heard.get(id);
  }

  status(): RaftStatus {
    return this.#node.status();
  }

  /** Resolves when the batch is applied here, on the leader. */
  async propose(batch: Batch): Promise<Proposed> {
    const key = `${batch.client}/${batch.sequence}`;
    const before = this.#state.machine.repliesTo(batch.client, batch.sequence);
    if (before && this.leads) {
      // Carried out, but perhaps under a leader that came before: only a confirmed one may say so.
      return (await this.read()) === "safe" ? { kind: "replies", replies: before } : { kind: "moved" };
    }
    return new Promise((resolve) => {
      if (!this.#proposeCommand({ kind: "batch", batch })) {
        resolve({ kind: "refused" });
        return;
      }
      this.#pending.get(key)?.({ kind: "moved" });
      this.#pending.set(key, resolve);
      this.#pump();
    });
  }

  /** Resolves to "safe" when the state here is as new as the call; on the leader only. */
  async read(): Promise<"safe" | "moved"> {
    if (!this.leads) return "moved";
    const safe = this.#reads.add();
    queueMicrotask(() => {
      this.#askReads();
      this.#pump();
    });
    return safe;
  }

  async keepAlive(lease: Lease): Promise<boolean | "moved"> {
    return (await this.read()) === "safe" && this.leads ? this.leases.keepAlive(lease) : "moved";
  }

  /** False: not now, or not here. Whether it took place shows in the members. */
  change(change: ConfChangeV2): boolean {
    if (!this.leads) return false;
    const refusal = this.#node.proposeConfChange(change);
    this.#pump();
    return refusal === undefined;
  }

  transferLeader(to: number): void {
    this.#node.transferLeader(to);
    this.#pump();
  }

  /** @param from the node that sent it: until a member has the log it knows the others only so */
  step(from: Did, message: Message): void {
    if (this.#stopped) return;
    this.#heard.set(message.from, from);
    this.#node.step(message);
    this.#pumpSoon();
  }

  /** The link to a member closed. */
  lost(did: Did): void {
    const id = this.#state.idOf(did);
    if (id === undefined || this.#stopped) return;
    if (this.leads) this.#node.reportUnreachable(id);
    if (this.#soft.lead !== id) return;
    const { clock, random } = this.#options;
    this.#node.forgetLeader();
    clock.setTimer(random.next() * limits.LOST_LEADER_SPREAD_MS, () => {
      if (this.#stopped || this.#node.status().lead !== NONE) return;
      this.#node.campaign();
      this.#pump();
    });
    this.#pump();
  }

  snapshotSent(id: number, outcome: "finish" | "failure"): void {
    if (this.#stopped) return;
    this.#node.reportSnapshot(id, outcome);
    this.#pump();
  }

  #tick(): void {
    this.#ticks += 1;
    for (const [id, message] of this.#news) this.#sendTo(id, [message]);
    this.#news.clear();
    this.#node.tick();
    if (this.leads) {
      if (this.#ticks % limits.LEASE_LOOK_TICKS === 0) {
        for (const { resource, token } of this.leases.ended())
          this.#proposeCommand({ kind: "release", resource, token });
      }
      this.#reads.again(this.#ticks);
      this.#askReads();
    }
    this.#pump();
  }

  #proposeCommand(command: Command): boolean {
    if (!this.leads) return false;
    return this.#node.propose(encodeCommand(command, this.#options.clock.nowMs())) === undefined;
  }

  #askReads(): void {
    const context = this.leads ? this.#reads.next(this.#ticks) : undefined;
    if (context !== undefined) this.#node.readIndex(Buffer.from(context));
  }

  #pumpSoon(): void {
    if (this.#pumping) return;
    this.#pumping = true;
    queueMicrotask(() => {
      this.#pumping = false;
      this.#pump();
    });
  }

  #pump(): void {
    if (this.#stopped) return;
    try {
      while (this.#node.hasReady()) {
        const { softState, readStates, messages } = this.#node.ready();
        for (const { index, requestContext } of readStates) {
          this.#reads.confirm(index, Buffer.from(requestContext).toString());
          this.#askReads();
        }
        this.#reads.settle(this.#appliedIndex);
        for (const message of messages) this.#dispatch(message);
        if (softState) this.#changeRole(softState);
      }
      this.#flush();
    } catch (error) {
      this.#fail(error);
    }
  }

  #dispatch(message: Message): void {
    if (message.to === LOCAL_APPEND_THREAD) this.#append(message);
    else if (message.to === LOCAL_APPLY_THREAD) this.#apply(message);
    else if (message.to === this.meta.id) this.#node.step(message);
    else {
      const queue = this.#outbox.get(message.to);
      if (queue) queue.push(message);
      else this.#outbox.set(message.to, [message]);
    }
  }

  #flush(): void {
    for (const [id, messages] of this.#outbox) this.#sendTo(id, this.#withoutNews(id, messages));
    this.#outbox.clear();
  }

  #sendTo(id: number, messages: readonly Message[]): void {
    const did = this.didOf(id);
    if (did && messages.length > 0) this.#options.send(did, messages);
  }

  /**
   * An append without entries only tells how far the log is decided. Most often the next entries say that too, so it waits
   * for them, or for the next tick: half as many frames for each write.
   */
  #withoutNews(id: number, messages: readonly Message[]): readonly Message[] {
    const now: Message[] = [];
    for (const message of messages) {
      const isAppend = message.type === "MsgApp";
      if (isAppend && message.entries.length === 0) {
        this.#news.set(id, message);
        continue;
      }
      if (isAppend) this.#news.delete(id);
      now.push(message);
    }
    return now;
  }

  /** To the disk, in order; the answers for it leave when it is there. */
  #append({ entries, snapshot, responses, term, vote, commit }: Message): void {
    const hardState = term !== 0 || vote !== 0 || commit !== 0 ? { term, vote, commit } : undefined;
    // A commit index alone is not worth a write: it is learnt again.
    const isNews = hardState !== undefined && (snapshot !== undefined || term !== this.#term || vote !== this.#vote);
    if (hardState) [this.#term, this.#vote] = [term, vote];
    const work = { entries, snapshot, hardState: isNews ? hardState : undefined };
    const mustWrite = entries.length > 0 || snapshot !== undefined || isNews;
    const writing = mustWrite ? this.#options.disk.append(work) : Promise.resolve();
    this.#written = Promise.all([this.#written, writing]).then(() => {
      if (snapshot) this.#install(snapshot);
      this.#memory.append(entries);
      for (const entry of entries) this.#logBytes += entryBytes(entry);
      if (hardState) this.#memory.setHardState(hardState);
      for (const response of responses) this.#dispatch(response);
      this.#pump();
    });
    this.#written.catch((error: unknown) => this.#fail(error));
  }

  #install(snapshot: Snapshot): void {
    if (!this.#memory.applySnapshot(snapshot)) return;
    const before = this.#state;
    this.#state = GroupState.decode(snapshot.data);
    this.#appliedIndex = snapshot.metadata.index;
    this.#confState = snapshot.metadata.confState;
    this.#logBytes = 0;
    this.#options.watchers.tellDifference(before.machine, this.#state.machine);
    this.#options.onMembers({ removed: false });
  }

  #apply({ entries, responses }: Message): void {
    for (const entry of entries) {
      if (entry.type === "EntryNormal") this.#applyCommand(entry);
      else this.#applyChange(entry);
      this.#appliedIndex = entry.index;
    }
    for (const response of responses) this.#node.step(response);
    this.#reads.settle(this.#appliedIndex);
    this.#compact();
  }

  #applyCommand(entry: Entry): void {
    if (entry.data.length === 0) return;
    const { batch, replies, events } = this.#state.apply(entry);
    const touchesLeases = !batch || replies?.some(({ kind }) => kind === "granted" || kind === "removed");
    if (touchesLeases && this.leads) this.leases.follow(this.#state.machine.leases.values());
    if (batch) {
      const key = `${batch.client}/${batch.sequence}`;
      this.#pending.get(key)?.({ kind: "replies", replies });
      this.#pending.delete(key);
    }
    this.#options.watchers.tell(events);
  }

  #applyChange(entry: Entry): void {
    const change = decodeConfChange(entry);
    if (!change) return;
    this.#state.learn(change.context);
    const wasMember = isMember(this.#confState, this.meta.id);
    this.#confState = this.#node.applyConfChange(change);
    // A snapshot that does not name a new member is of no use to it.
    this.#changedMembers = true;
    this.#options.onMembers({ removed: wasMember && !isMember(this.#confState, this.meta.id) });
  }

  #compact(): void {
    const first = this.#memory.firstIndex();
    const isLong = this.#appliedIndex - this.#memory.snapshot().metadata.index >= limits.LOG_COUNT_MAX;
    const isLarge = this.#logBytes >= limits.LOG_BYTES_MAX;
    if (this.#compacting || !(isLong || isLarge || this.#changedMembers)) return;
    const index = this.#appliedIndex;
    const term = this.#memory.term(index);
    if (typeof term !== "number") return;
    this.#compacting = true;
    this.#changedMembers = false;
    this.#logBytes = 0;
    const snapshot: Snapshot = { data: this.#state.encode(), metadata: { index, term, confState: this.#confState } };
    const compactTo = Math.max(first - 1, index - (isLarge ? limits.LOG_KEPT_LARGE_COUNT : limits.LOG_KEPT_COUNT));
    this.#memory.createSnapshot(index, snapshot.data, snapshot.metadata.confState);
    this.#options.disk
      .compact(snapshot, compactTo)
      .then(() => {
        this.#compacting = false;
        this.#memory.compact(Math.min(compactTo, this.#memory.lastIndex()));
      })
      .catch((error: unknown) => this.#fail(error));
  }

  #changeRole(soft: SoftState): void {
    const led = this.leads;
    this.#soft = soft;
    if (this.leads && !led) this.leases.restart(this.#state.machine.leases.values());
    if (led && !this.leads) this.#abandon();
    this.#options.onRole();
  }

  /** Whoever waits has to ask the next leader. */
  #abandon(): void {
    for (const resolve of this.#pending.values()) resolve({ kind: "moved" });
    this.#pending.clear();
    this.#reads.abandon();
  }

  #halt(): void {
    this.#stopped = true;
    this.#timer?.cancel();
    this.#abandon();
  }

  #fail(error: unknown): void {
    if (this.#stopped) return;
    this.#halt();
    this.#options.logger.error("a group cannot keep its log", { group: this.#options.group, error });
    this.#options.onFailed(error);
  }
}

export function isMember({ voters, votersOutgoing, learners, learnersNext }: ConfState, id: number): boolean {
  return [voters, votersOutgoing, learners, learnersNext].some((ids) => ids.includes(id));
}
