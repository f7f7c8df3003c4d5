import { isEasynetError, type Random } from "../../../packages/easynet/src/kernel/index.ts";
import { decodeConfChange, toV2 } from "../../../packages/easynet/src/state/raft/conf-change.ts";
import { isLocalTarget } from "../../../packages/easynet/src/state/raft/messages.ts";
import { MemoryStorage } from "../../../packages/easynet/src/state/raft/memory-storage.ts";
import { RawNode } from "../../../packages/easynet/src/state/raft/raw-node.ts";
import type {
  ConfChangeV2,
  ConfState,
  Entry,
  Message,
  Snapshot,
} from "../../../packages/easynet/src/state/raft/types.ts";

/** A fault that is planted to see that the checks find it. */
export type Bug =
  /** Several changes at once come into force one after the other, without a time in which both majorities decide. */
  "skips-joint";

export interface MemberOptions {
  readonly id: number;
  readonly random: Random;
  readonly bug: Bug | undefined;
  /** Empty for a machine that is not a member yet. */
  readonly voters: readonly number[];
  onApplied(entry: Entry, confState: ConfState): void;
  send(message: Message): void;
}

/** Makes a snapshot when it is asked for one: only a new one names a new member. */
class FreshStorage extends MemoryStorage {
  refresh: () => void = () => {};

  override snapshot(): Snapshot {
    this.refresh();
    return super.snapshot();
  }
}

/** A machine: what is on its disk, and a node that may die at any moment. */
export class Member {
  readonly id: number;
  readonly #storage = new FreshStorage();
  readonly #options: MemberOptions;
  #raw: RawNode;
  #appendWork: Message[] = [];
  #applyWork: Message[] = [];
  #confState: ConfState;
  #appliedIndex = 0;

  constructor(options: MemberOptions) {
    this.id = options.id;
    this.#options = options;
    this.#confState = { voters: options.voters, votersOutgoing: [], learners: [], learnersNext: [], autoLeave: false };
    if (options.voters.length > 0) {
      const metadata = { index: 1, term: 1, confState: this.#confState };
      this.#storage.applySnapshot({ data: new Uint8Array(), metadata });
    }
    this.#raw = this.#start();
    this.#storage.refresh = () => this.#makeSnapshot();
  }

  #start(): RawNode {
    const { id, random } = this.#options;
    const snapshot = this.#storage.snapshot();
    this.#confState = snapshot.metadata.confState;
    this.#appliedIndex = snapshot.metadata.index;
    return new RawNode({
      id,
      random,
      electionTick: 10,
      heartbeatTick: 2,
      storage: this.#storage,
      applied: snapshot.metadata.index,
      asyncStorageWrites: true,
      maxInflightMsgs: 4,
      maxSizePerMsg: 100,
      preVote: id % 2 === 0,
      checkQuorum: true,
    });
  }

  get raw(): RawNode {
    return this.#raw;
  }

  /** What was not written is gone. */
  crash(): void {
    this.#appendWork = [];
    this.#applyWork = [];
    this.#storage.refresh = () => {};
    this.#raw = this.#start();
    this.#storage.refresh = () => this.#makeSnapshot();
  }

  takeReady(): void {
    if (!this.#raw.hasReady()) return;
    for (const message of this.#raw.ready().messages) {
      if (!isLocalTarget(message.to)) this.#options.send(message);
      else if (message.type === "MsgStorageAppend") this.#appendWork.push(message);
      else this.#applyWork.push(message);
    }
  }

  write(): void {
    const work = this.#appendWork.shift();
    if (!work) return;
    const { term, vote, commit, entries, snapshot } = work;
    if (term !== 0 || vote !== 0 || commit !== 0) this.#storage.setHardState({ term, vote, commit });
    if (snapshot) {
      this.#storage.applySnapshot(snapshot);
      this.#confState = snapshot.metadata.confState;
      this.#appliedIndex = snapshot.metadata.index;
    }
    this.#storage.append(entries);
    this.#respond(work);
  }

  apply(): void {
    const work = this.#applyWork.shift();
    if (!work) return;
    for (const entry of work.entries) {
      this.#appliedIndex = entry.index;
      const change = decodeConfChange(entry);
      if (change) this.#change(toV2(change));
      this.#options.onApplied(entry, this.#confState);
    }
    this.#respond(work);
  }

  /** What cannot be done is refused by all members alike. */
  #change(change: ConfChangeV2): void {
    try {
      this.#confState = this.#applyChange(change);
    } catch (error) {
      if (!isEasynetError(error, "RAFT_CHANGE_REFUSED")) throw error;
    }
  }

  #applyChange(change: ConfChangeV2): ConfState {
    if (this.#options.bug !== "skips-joint" || change.changes.length < 2) return this.#raw.applyConfChange(change);
    let confState = this.#confState;
    for (const single of change.changes) confState = this.#raw.applyConfChange(single);
    return confState;
  }

  #respond({ responses }: Message): void {
    for (const response of responses) {
      if (response.to === this.id) this.#raw.step(response);
      else this.#options.send(response);
    }
  }

  #makeSnapshot(): void {
    if (this.#appliedIndex > this.#storage.lastIndex()) return;
    this.#storage.createSnapshot(this.#appliedIndex, new Uint8Array(), this.#confState);
  }

  /** Drops the log up to what it has applied. */
  compact(): void {
    this.#storage.compact(this.#storage.snapshot().metadata.index);
  }
}
