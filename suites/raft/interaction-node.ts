import { seededRandom } from "../../packages/easynet/src/kernel/index.ts";
import { decodeConfChange } from "../../packages/easynet/src/state/raft/conf-change.ts";
import { isEmptySnapshot, isLocalTarget } from "../../packages/easynet/src/state/raft/messages.ts";
import { MemoryStorage } from "../../packages/easynet/src/state/raft/memory-storage.ts";
import { RawNode } from "../../packages/easynet/src/state/raft/raw-node.ts";
import type {
  Entry,
  HardState,
  Message,
  RaftConfig,
  Ready,
  Snapshot,
} from "../../packages/easynet/src/state/raft/types.ts";

export type NodeOptions = Partial<RaftConfig> & Pick<RaftConfig, "id" | "logger">;

const ELECTION_TICK = 3;
const NO_SNAPSHOT = new MemoryStorage().snapshot();

/** Asked for a snapshot, it gives the newest that the application made. */
class ScriptStorage extends MemoryStorage {
  history: readonly Snapshot[] = [];

  override snapshot(): Snapshot {
    return this.history.at(-1) ?? super.snapshot();
  }
}

/** A node of a script: its application appends all data, and makes a snapshot after each entry. */
export class ScriptNode {
  readonly id: number;
  readonly raw: RawNode;
  readonly storage = new ScriptStorage();
  readonly appendWork: Message[] = [];
  readonly applyWork: Message[] = [];
  readonly #isAsync: boolean;
  readonly #history: Snapshot[];

  constructor({ id, ...options }: NodeOptions, snapshot: Snapshot | undefined) {
    this.id = id;
    this.#isAsync = options.asyncStorageWrites ?? false;
    if (snapshot) this.storage.applySnapshot(snapshot);
    this.#history = [snapshot ?? NO_SNAPSHOT];
    this.storage.history = this.#history;
    this.raw = new RawNode({
      id,
      electionTick: ELECTION_TICK,
      heartbeatTick: 1,
      maxInflightMsgs: 2 ** 31 - 1,
      storage: this.storage,
      random: seededRandom(id),
      ...(snapshot && { applied: snapshot.metadata.index }),
      ...options,
    });
  }

  tickElection(): void {
    for (let tick = 0; tick < ELECTION_TICK; tick++) this.raw.tick();
  }

  /** Does the work of a Ready that was taken. @returns the messages for the network */
  process(ready: Ready): readonly Message[] {
    const { hardState, snapshot, entries, committedEntries, messages } = ready;
    if (this.#isAsync) {
      for (const message of messages) {
        if (message.type === "MsgStorageAppend") this.appendWork.push(message);
        else if (message.type === "MsgStorageApply") this.applyWork.push(message);
      }
      return messages.filter(({ to }) => !isLocalTarget(to));
    }
    this.#append(hardState, snapshot, entries);
    this.#apply(committedEntries);
    return messages;
  }

  /** After the messages of a Ready were sent. */
  processed(): void {
    if (!this.#isAsync) this.raw.advance();
  }

  doAppendWork({ term, vote, commit, snapshot, entries }: Message): void {
    const isEmpty = term === 0 && vote === 0 && commit === 0;
    this.#append(isEmpty ? undefined : { term, vote, commit }, snapshot, entries);
  }

  doApplyWork({ entries }: Message): void {
    this.#apply(entries);
  }

  #append(hardState: HardState | undefined, snapshot: Snapshot | undefined, entries: readonly Entry[]): void {
    if (hardState) this.storage.setHardState(hardState);
    if (snapshot && !isEmptySnapshot(snapshot)) this.storage.applySnapshot(snapshot);
    this.storage.append(entries);
  }

  #apply(entries: readonly Entry[]): void {
    for (const entry of entries) {
      const last = this.#history.at(-1) ?? NO_SNAPSHOT;
      const change = decodeConfChange(entry);
      const confState = change ? this.raw.applyConfChange(change) : last.metadata.confState;
      const update = change ? change.context : entry.data;
      const data = Buffer.concat([last.data, update ?? new Uint8Array()]);
      this.#history.push({ data, metadata: { index: entry.index, term: entry.term, confState } });
    }
  }
}
