/** One process of a simulated group: the product's Raft core and state machine, a disk, and who waits for answers. */
import type { Random } from "../../../packages/easynet/src/kernel/index.ts";
import { Machine } from "../../../packages/easynet/src/state/critical/machine-core.ts";
import type { Batch, Query, QueryAnswer, Reply } from "../../../packages/easynet/src/state/critical/operations.ts";
import { decodeMachine, encodeMachine } from "../../../packages/easynet/src/state/critical/snapshot-codec.ts";
import { MemoryStorage } from "../../../packages/easynet/src/state/raft/memory-storage.ts";
import { RawNode } from "../../../packages/easynet/src/state/raft/raw-node.ts";
import {
  type Entry,
  LOCAL_APPEND_THREAD,
  LOCAL_APPLY_THREAD,
  type Message,
  type RaftNode,
  type Ready,
  type Snapshot,
} from "../../../packages/easynet/src/state/raft/types.ts";
import { LogTerms, type RaftChecks } from "./checks.ts";
import { Disk } from "./disk.ts";
import type { EventWheel } from "./event-wheel.ts";
import { type Bug, ELECTION_TICKS, HEARTBEAT_TICKS, type Weather } from "./profiles.ts";

export type Request =
  | { readonly kind: "batch"; readonly batch: Batch }
  | { readonly kind: "query"; readonly query: Query };

/** "nobody": nothing was done, because there is no leader; ask another one. */
export type Answer =
  | { readonly kind: "replies"; readonly replies: readonly Reply[] | undefined }
  | { readonly kind: "answer"; readonly answer: QueryAnswer }
  | { readonly kind: "nobody" };

/** What is proposed in the world; an entry's data is a place in this list, since its bytes are not what is examined. */
export class Proposals {
  readonly #all: { readonly batch: Batch; readonly timeMs: number }[] = [];

  add(batch: Batch, timeMs: number): Uint8Array {
    const data = new Uint8Array(4);
    new DataView(data.buffer).setUint32(0, this.#all.push({ batch, timeMs }) - 1);
    return data;
  }

  get(data: Uint8Array): { readonly batch: Batch; readonly timeMs: number } | undefined {
    return this.#all[numberIn(data)];
  }
}

export interface MemberOptions {
  readonly id: number;
  readonly storage: MemoryStorage;
  readonly wheel: EventWheel;
  readonly random: Random;
  readonly checks: RaftChecks;
  readonly proposals: Proposals;
  readonly weather: Weather;
  readonly bug: Bug | undefined;
  readonly send: (message: Message) => void;
}

interface Reading {
  readonly query: Query;
  readonly answer: (answer: Answer) => void;
  /** From the answer of the group on: what must have been applied. */
  index: number;
}

export class Member {
  readonly id: number;
  /** Until when its disk is slow, virtual ms. */
  slowUntilMs = 0;
  machine = new Machine();
  applied = 0;
  term = 0;
  leads = false;
  readonly log = new LogTerms();
  readonly raft: RaftNode;
  readonly #options: MemberOptions;
  readonly #storage: MemoryStorage;
  readonly #disk: Disk;
  readonly #waiting = new Map<string, (answer: Answer) => void>();
  readonly #readings = new Map<number, Reading>();
  #ripe: Reading[] = [];
  #readCount = 0;
  #alive = true;

  constructor(options: MemberOptions) {
    const { id, storage, random, weather, wheel, bug } = options;
    this.id = id;
    this.#options = options;
    this.#storage = bug === "answers-before-sync" ? copyOf(storage) : storage;
    const snapshot = storage.snapshot();
    this.#install(snapshot);
    this.#readLog();
    this.term = storage.initialState().hardState.term;
    this.#disk = new Disk({
      wheel,
      random,
      durable: storage,
      visible: this.#storage,
      syncMs: () => 1 + Math.floor(random.next() * (wheel.nowMs < this.slowUntilMs ? 400 : weather.syncMsMax)),
      onWritten: (work) => this.#respond(work.responses),
    });
    this.raft = new RawNode({
      id,
      storage: this.#storage,
      random,
      electionTick: ELECTION_TICKS,
      heartbeatTick: HEARTBEAT_TICKS,
      applied: this.applied,
      asyncStorageWrites: true,
      maxInflightMsgs: 64,
      preVote: weather.preVote,
      checkQuorum: weather.checkQuorum,
      ...(weather.smallAppends && { maxSizePerMsg: 0 }),
    });
  }

  get alive(): boolean {
    return this.#alive;
  }

  tick(): void {
    this.raft.tick();
    this.#drain();
  }

  step(message: Message): void {
    this.raft.step(message);
    if (this.#options.bug === "counts-old-terms" && message.type === "MsgAppResp") this.#countOldTerms();
    this.#drain();
  }

  campaign(): void {
    this.raft.campaign();
    this.#drain();
  }

  transfer(to: number): void {
    this.raft.transferLeader(to);
    this.#drain();
  }

  request(request: Request, answer: (answer: Answer) => void): void {
    if (request.kind === "query") this.#read(request.query, answer);
    else this.#propose(request.batch, answer);
    this.#drain();
  }

  crash(): void {
    this.#alive = false;
    this.#disk.crash();
  }

  #propose(batch: Batch, answer: (answer: Answer) => void): void {
    const { proposals, wheel } = this.#options;
    if (this.raft.propose(proposals.add(batch, wheel.nowMs)) !== undefined) answer({ kind: "nobody" });
    else this.#waiting.set(`${batch.client}/${batch.sequence}`, answer);
  }

  #read(query: Query, answer: (answer: Answer) => void): void {
    if (this.#options.bug === "reads-without-asking" && this.leads) {
      answer({ kind: "answer", answer: this.machine.query(query) });
      return;
    }
    const number = ++this.#readCount;
    const context = new Uint8Array(4);
    new DataView(context.buffer).setUint32(0, number);
    this.#readings.set(number, { query, answer, index: Infinity });
    this.raft.readIndex(context);
  }

  /** Everything that the core wants done. */
  #drain(): void {
    while (this.#alive && this.raft.hasReady()) {
      const ready = this.raft.ready();
      for (const message of ready.messages) if (message.to === LOCAL_APPEND_THREAD) this.#append(message);
      this.#note(ready);
      for (const { index, requestContext } of ready.readStates) this.#ripen(numberIn(requestContext), index);
      for (const message of ready.messages) {
        if (message.to === LOCAL_APPLY_THREAD) this.#apply(message);
        else if (message.to !== LOCAL_APPEND_THREAD) this.#options.send(message);
      }
    }
  }

  #note({ softState, hardState }: Ready): void {
    if (!softState && !hardState) return;
    if (hardState) this.term = hardState.term;
    if (softState) this.leads = softState.raftState === "StateLeader";
    if (this.leads) this.#options.checks.leads(this.id, this.term, this.log);
  }

  #append(work: Message): void {
    if (work.snapshot) {
      this.#install(work.snapshot);
      this.log.reset(work.snapshot.metadata.index, [work.snapshot.metadata.term]);
    }
    if (work.entries.length > 0) this.#options.checks.wrote(this.id, this.log, work.entries);
    this.#disk.write(work);
  }

  #apply(work: Message): void {
    for (const entry of work.entries) if (entry.index > this.applied) this.#applyEntry(entry);
    this.#answerReads();
    this.#compact();
    this.#respond(work.responses);
  }

  #applyEntry(entry: Entry): void {
    const { checks, proposals, bug } = this.#options;
    if (entry.index !== this.applied + 1)
      checks.problems.push(`${this.id} applies ${entry.index} after ${this.applied}`);
    checks.applied(this.id, this.term, entry);
    this.applied = entry.index;
    if (entry.data.length === 0) return;
    const proposal = proposals.get(entry.data);
    if (!proposal) return;
    const { batch, timeMs } = proposal;
    if (bug === "forgets-sessions") for (const [, { replies: kept }] of this.machine.sessions.entries()) kept.clear();
    const { replies } = this.machine.apply(batch, timeMs);
    const name = `${batch.client}/${batch.sequence}`;
    const answer = this.#waiting.get(name);
    if (!answer) return;
    this.#waiting.delete(name);
    answer({ kind: "replies", replies });
  }

  #ripen(number: number, index: number): void {
    const reading = this.#readings.get(number);
    if (!reading) return;
    this.#readings.delete(number);
    reading.index = this.#options.bug === "reads-before-applied" ? 0 : index;
    this.#ripe.push(reading);
    this.#answerReads();
  }

  #answerReads(): void {
    if (this.#ripe.length === 0) return;
    const waiting: Reading[] = [];
    for (const reading of this.#ripe) {
      if (reading.index > this.applied) waiting.push(reading);
      else reading.answer({ kind: "answer", answer: this.machine.query(reading.query) });
    }
    this.#ripe = waiting;
  }

  #respond(responses: readonly Message[]): void {
    for (const response of responses) {
      if (response.to === this.id) this.raft.step(response);
      else this.#options.send(response);
    }
    this.#drain();
  }

  /** A snapshot and a shorter log, as soon as there is more than is kept. */
  #compact(): void {
    const storage = this.#storage;
    const { weather } = this.#options;
    // A node starts again with what it knew to be committed: nothing beyond may be left out of the log.
    const upTo = Math.min(this.applied, storage.initialState().hardState.commit);
    if (this.applied !== upTo || upTo - storage.firstIndex() < 2 * weather.keptEntryCount) return;
    storage.createSnapshot(upTo, encodeMachine(this.machine));
    storage.compact(upTo - weather.keptEntryCount);
  }

  #install({ data, metadata }: Snapshot): void {
    if (metadata.index <= this.applied) return;
    this.machine = data.length > 0 ? decodeMachine(data) : new Machine();
    this.applied = metadata.index;
  }

  #readLog(): void {
    const storage = this.#storage;
    const first = storage.firstIndex();
    const terms: number[] = [];
    for (let index = first - 1; index <= storage.lastIndex(); index++) {
      const term = storage.term(index);
      terms.push(typeof term === "number" ? term : 0);
    }
    this.log.reset(first - 1, terms);
  }

  /** Planted fault: what a majority holds is committed, whatever the term it is of (figure 8 of the paper). */
  #countOldTerms(): void {
    const { progress } = this.raft.status();
    const matches = progress.map(({ match }) => match).sort((one, other) => other - one);
    const counted = matches[Math.floor(matches.length / 2)] ?? 0;
    const entries = counted > this.applied ? this.#options.checks.entriesOf(this.log, this.applied + 1, counted) : [];
    for (const entry of entries) this.#applyEntry(entry);
  }
}

function copyOf(storage: MemoryStorage): MemoryStorage {
  const copy = new MemoryStorage();
  copy.applySnapshot(storage.snapshot());
  const entries = storage.entries(storage.snapshot().metadata.index + 1, storage.lastIndex() + 1, Infinity);
  if (typeof entries !== "string") copy.append(entries);
  copy.setHardState(storage.initialState().hardState);
  return copy;
}

function numberIn(bytes: Uint8Array): number {
  return new DataView(bytes.buffer, bytes.byteOffset).getUint32(0);
}
