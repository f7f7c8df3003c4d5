import { seededRandom } from "../../packages/easynet/src/kernel/index.ts";
import { decodeConfChange } from "../../packages/easynet/src/state/raft/conf-change.ts";
import { makeMessage, type MessageFields } from "../../packages/easynet/src/state/raft/messages.ts";
import { MemoryStorage } from "../../packages/easynet/src/state/raft/memory-storage.ts";
import { RawNode } from "../../packages/easynet/src/state/raft/raw-node.ts";
import type {
  Entry,
  Message,
  RaftConfig,
  ReadState,
  Ready,
  StepRefusal,
} from "../../packages/easynet/src/state/raft/types.ts";

export type RaftOptions = Partial<Omit<RaftConfig, "id">>;

export interface RaftPast {
  readonly voters: readonly number[];
  readonly learners?: readonly number[];
  /** Terms of the entries of its log, from index 1 on. */
  readonly terms?: readonly number[];
  readonly term?: number;
  readonly vote?: number;
  readonly commit?: number;
}

/** An entry of a term at an index, without data. */
export function entryOf(term: number, index: number, data = ""): Entry {
  return { term, index, type: "EntryNormal", data: Buffer.from(data) };
}

/** A storage that remembers such a past. */
export function storageOf({
  voters,
  learners = [],
  terms = [],
  term = 0,
  vote = 0,
  commit = 0,
}: RaftPast): MemoryStorage {
  const storage = new MemoryStorage();
  const confState = { voters, learners, votersOutgoing: [], learnersNext: [], autoLeave: false };
  // Index 0: no snapshot, but its members are those of the beginning.
  storage.applySnapshot({ data: new Uint8Array(), metadata: { index: 0, term: 0, confState } });
  storage.append(terms.map((each, at) => entryOf(each, at + 1)));
  storage.setHardState({ term, vote, commit });
  return storage;
}

/** A node whose Readys are performed at once: storage, then application, then messages into {@link sent}. */
export class TestRaft {
  readonly id: number;
  readonly raw: RawNode;
  readonly storage: MemoryStorage;
  /** Messages to others, until they are taken. */
  sent: Message[] = [];
  readonly applied: Entry[] = [];
  readonly reads: ReadState[] = [];

  /** @param storage that it writes to, and reads unless the options name something that reads it otherwise */
  constructor(id: number, storage: MemoryStorage, options: RaftOptions = {}) {
    this.id = id;
    this.storage = storage;
    this.raw = new RawNode({
      id,
      electionTick: 10,
      heartbeatTick: 1,
      maxInflightMsgs: 256,
      random: seededRandom(id),
      storage,
      ...options,
    });
  }

  /** Performs all Readys. */
  settle(): void {
    while (this.raw.hasReady()) this.perform(this.raw.ready());
  }

  perform({ hardState, snapshot, entries, committedEntries, messages, readStates }: Ready): void {
    if (hardState) this.storage.setHardState(hardState);
    if (snapshot) this.storage.applySnapshot(snapshot);
    this.storage.append(entries);
    this.sent.push(...messages);
    this.reads.push(...readStates);
    for (const entry of committedEntries) {
      this.applied.push(entry);
      const change = decodeConfChange(entry);
      if (change) this.raw.applyConfChange(change);
    }
    this.raw.advance();
  }

  /** Settles, and takes what it wants to send. */
  take(): readonly Message[] {
    this.settle();
    const { sent } = this;
    this.sent = [];
    return sent;
  }

  step(fields: MessageFields): StepRefusal | undefined {
    return this.raw.step(makeMessage({ to: this.id, ...fields }));
  }

  tick(count = 1): void {
    for (let tick = 0; tick < count; tick++) this.raw.tick();
  }

  /** Campaigns, and gets the votes of these. */
  elect(...voters: readonly number[]): void {
    this.raw.campaign();
    this.settle();
    const { term } = this.raw.status();
    for (const from of voters) this.step({ type: "MsgVoteResp", from, term });
    this.settle();
  }

  get log(): readonly Entry[] {
    const entries = this.storage.entries(this.storage.firstIndex(), this.storage.lastIndex() + 1, Infinity);
    return typeof entries === "string" ? [] : entries;
  }

  /** What was proposed as text and is applied. */
  get appliedTexts(): readonly string[] {
    const normal = this.applied.filter(({ type, data }) => type === "EntryNormal" && data.length > 0);
    return normal.map(({ data }) => Buffer.from(data).toString());
  }
}

/** Several nodes whose messages arrive at once, but for those that {@link isLost} loses. */
export class TestGroup {
  readonly nodes: readonly TestRaft[];
  isLost: (message: Message) => boolean = () => false;

  constructor(nodes: readonly TestRaft[]) {
    this.nodes = nodes;
  }

  node(id: number): TestRaft {
    const node = this.nodes.find((each) => each.id === id);
    if (!node) throw new Error(`there is no node ${id}`);
    return node;
  }

  /** Delivers until nothing is left. */
  settle(): void {
    for (let messages = this.#take(); messages.length > 0; messages = this.#take()) {
      for (const message of messages) {
        if (!this.isLost(message)) this.nodes.find(({ id }) => id === message.to)?.raw.step(message);
      }
    }
  }

  #take(): readonly Message[] {
    return this.nodes.flatMap((node) => node.take());
  }

  /** Loses everything from and to these. */
  isolate(...ids: readonly number[]): void {
    this.isLost = ({ from, to }) => ids.includes(from) || ids.includes(to);
  }

  heal(): void {
    this.isLost = () => false;
  }

  campaign(id: number): void {
    this.node(id).raw.campaign();
    this.settle();
  }

  propose(id: number, text: string): void {
    this.node(id).raw.propose(Buffer.from(text));
    this.settle();
  }

  tick(id: number, count = 1): void {
    this.node(id).tick(count);
    this.settle();
  }
}

/** A group of new nodes with ids from 1. */
export function raftGroup(size: number, options: RaftOptions = {}): TestGroup {
  const voters = Array.from({ length: size }, (_, at) => at + 1);
  return new TestGroup(voters.map((id) => new TestRaft(id, storageOf({ voters }), options)));
}
