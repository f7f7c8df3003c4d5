import type { Did } from "../../identity/index.ts";
import { type Clock, EasynetError, type Logger, type Metrics, type Random } from "../../kernel/index.ts";
import type { Mesh } from "../../mesh/index.ts";
import type { Store } from "../../storage/index.ts";
import { encodeValue } from "../../wire/index.ts";
import {
  answerFields,
  answerFrom,
  batchFields,
  leaseFields,
  queryFields,
  replyFields,
  replyFrom,
} from "../critical/operation-codec.ts";
import type { Batch, Operation, Query, QueryAnswer, Reply } from "../critical/operations.ts";
import type { Executor } from "../critical/operation-store.ts";
import type { CallOptions, CriticalEvent, Lease } from "../critical/types.ts";
import { Watchers } from "../critical/watchers.ts";
import type { ConfState, Message } from "../raft/types.ts";
import { GroupClient } from "./group-client.ts";
import { GroupDisk, type GroupMeta } from "./group-disk.ts";
import type { GroupState } from "./group-state.ts";
import { AGAIN_AFTER_MS, LEADER_PATIENCE_MS } from "./limits.ts";
import { count, list } from "./message-codec.ts";
import type { Postman } from "./postman.ts";
import { QUESTION, type Questions } from "./questions.ts";
import { type Proposed, Replica } from "./replica.ts";
import { RemoteWatches } from "./remote-watches.ts";
import { Sightings } from "./sightings.ts";
import type { ConsensusEvent } from "./types.ts";

export interface GroupPorts {
  readonly mesh: Mesh;
  readonly store: Store;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly questions: Questions;
  readonly postman: Postman;
  readonly emit: (event: ConsensusEvent) => void;
}

const NOBODY: ConfState = { voters: [], votersOutgoing: [], learners: [], learnersNext: [], autoLeave: false };

/** One group on one node: a member's replica when this node is one, and the way to those who are. */
export class Group implements Executor {
  readonly name: string;
  readonly subject: string;
  readonly sightings: Sightings;
  readonly disk: GroupDisk;
  readonly client: GroupClient;
  readonly #ports: GroupPorts;
  readonly #watchers: Watchers;
  readonly #remote: RemoteWatches;
  #replica: Replica | undefined;
  #changing: Promise<void> = Promise.resolve();
  #failure: string | undefined;
  #begunAtMs = -Infinity;

  constructor(name: string, ports: GroupPorts) {
    this.name = name;
    this.subject = `The group ${name}`;
    this.#ports = ports;
    this.#watchers = new Watchers(ports.logger);
    this.disk = new GroupDisk(ports.store, name);
    this.sightings = new Sightings(name, ports);
    this.client = new GroupClient(this.subject, ports.clock, {
      hasLeader: () => this.leader !== undefined,
      hopeless: () => this.hopeless(),
      propose: async (batch) => this.#propose(batch),
    });
    this.#remote = new RemoteWatches(this, ports);
  }

  get replica(): Replica | undefined {
    return this.#replica;
  }

  get leader(): Did | undefined {
    return this.#replica ? this.#replica.leader : this.sightings.leader;
  }

  get confState(): ConfState {
    return this.#replica?.confState ?? NOBODY;
  }

  /** Goes on as the member that this node was when it stopped. */
  load(): void {
    const loaded = this.disk.load();
    if (loaded) this.#begin(loaded);
  }

  /** Becomes a member; the log and everything else comes from the leader, or from `first`. */
  async become(meta: GroupMeta, first?: GroupState): Promise<void> {
    this.#changing = this.#changing.then(async () => {
      const own = this.#replica?.meta;
      if (own && own.generation === meta.generation && own.id >= meta.id) return;
      await this.#replica?.stop();
      this.#replica = undefined;
      const metadata = { index: 1, term: 1, confState: { ...NOBODY, voters: [meta.id] } };
      const snapshot = first && { metadata, data: first.encode() };
      const hardState = first && { term: 1, vote: 0, commit: 1 };
      await this.disk.begin(meta, { entries: [], snapshot, hardState });
      this.#begin({ meta, snapshot, hardState, entries: [] });
    });
    return this.#changing;
  }

  /** This node is no member any more. */
  async leave(): Promise<void> {
    this.#changing = this.#changing.then(async () => {
      await this.#replica?.stop();
      this.#replica = undefined;
      await this.disk.erase();
    });
    return this.#changing;
  }

  async stop(): Promise<void> {
    this.client.stop();
    this.#remote.stop();
    await this.#changing.catch(() => undefined);
    await this.#replica?.stop();
  }

  receive(from: Did, generation: number, message: Message): void {
    const own = this.#replica?.meta;
    if (own && own.generation === generation && own.id === message.to) {
      this.#replica?.step(from, message);
      return;
    }
    const isLeader = message.type === "MsgApp" || message.type === "MsgHeartbeat" || message.type === "MsgSnap";
    const isNewer = !own || (generation === own.generation && message.to > own.id);
    if (!isLeader || !isNewer) return;
    // A process that lost what it had must not come back as who it was: it may have voted, and forgotten it.
    if (this.sightings.isSelf(message.to, generation)) void this.become({ id: message.to, generation, previous: 0 });
    else void this.sightings.look();
  }

  /** Why nothing can be decided from here as things are; undefined when it may. */
  hopeless(): string | undefined {
    if (this.#failure !== undefined) return this.#failure;
    const replica = this.#replica;
    // A member that has just begun had no time to make its links.
    const isNew = this.#ports.clock.monotonicMs() - this.#begunAtMs < LEADER_PATIENCE_MS;
    return !replica || isNew || replica.leader !== undefined ? undefined : this.missing();
  }

  /** What a majority lacks, as far as this node's links show; undefined when there is one. */
  missing(): string | undefined {
    const replica = this.#replica;
    if (!replica) return undefined;
    for (const voters of [replica.confState.voters, replica.confState.votersOutgoing]) {
      const inReach = voters.filter((id) => this.isReachable(replica.didOf(id)));
      if (voters.length > 0 && inReach.length * 2 <= voters.length) {
        return `only ${inReach.length} of ${voters.length} voters are in reach`;
      }
    }
    return undefined;
  }

  isReachable(did: Did | undefined): boolean {
    const { mesh } = this.#ports;
    return did !== undefined && (did === mesh.self || mesh.peer(did) !== undefined);
  }

  async execute(operation: Operation, options: CallOptions): Promise<Reply> {
    return this.client.execute(operation, options);
  }

  async query(query: Query, { signal }: CallOptions): Promise<QueryAnswer> {
    return (await this.#read({ query, signal })).answer;
  }

  async keepAlive(lease: Lease, { signal }: CallOptions): Promise<boolean> {
    return this.#insist(signal, async () => {
      if (this.#replica?.leads) {
        const kept = await this.#replica.keepAlive(lease);
        return kept === "moved" ? undefined : kept;
      }
      const answer = await this.#askLeader([QUESTION.keepAlive, this.name, leaseFields(lease)]);
      return answer ? answer[0] === true : undefined;
    });
  }

  async watch(prefix: string, listener: (event: CriticalEvent) => void): Promise<Disposable> {
    if (!this.#replica) return this.#remote.add(prefix, listener);
    const query: Query = { kind: "list", prefix, after: undefined, limit: 1 };
    const { revision } = await this.#read({ query, signal: undefined });
    // A member that is behind has yet to carry out what was there before.
    return this.#watchers.add(prefix, (event) => {
      if (event.revision > revision) listener(event);
    });
  }

  /** On the leader, for itself and for others. */
  async answerPropose(batch: Batch): Promise<readonly unknown[] | undefined> {
    const replica = this.#replica;
    if (!replica?.leads) return ["refused"];
    const outcome = await replica.propose(batch);
    if (outcome.kind !== "replies") return [outcome.kind];
    return ["replies", outcome.replies?.map(replyFields) ?? null];
  }

  async answerQuery(query: Query): Promise<readonly unknown[] | undefined> {
    const replica = this.#replica;
    if (!replica?.leads || (await replica.read()) !== "safe") return undefined;
    return [answerFields(replica.state.machine.query(query)), replica.state.machine.revision];
  }

  async #read({
    query,
    signal,
  }: {
    readonly query: Query;
    readonly signal: AbortSignal | undefined;
  }): Promise<{ readonly answer: QueryAnswer; readonly revision: number }> {
    return this.#insist(signal, async () => {
      const replica = this.#replica;
      if (replica?.leads) {
        if ((await replica.read()) !== "safe") return undefined;
        return { answer: replica.state.machine.query(query), revision: replica.state.machine.revision };
      }
      const answer = await this.#askLeader([QUESTION.query, this.name, queryFields(query)]);
      return answer && { answer: answerFrom(answer[0]), revision: count(answer[1]) };
    });
  }

  /** Asks again until there is an answer; what changes nothing may be asked as often as one likes. */
  async #insist<Answer>(signal: AbortSignal | undefined, ask: () => Promise<Answer | undefined>): Promise<Answer> {
    const { clock } = this.#ports;
    const startedAtMs = clock.monotonicMs();
    for (;;) {
      signal?.throwIfAborted();
      const hopeless = this.hopeless();
      if (hopeless !== undefined) throw this.client.refused(hopeless);
      const answer = this.leader === undefined ? undefined : await ask();
      if (answer !== undefined) return answer;
      if (clock.monotonicMs() - startedAtMs > LEADER_PATIENCE_MS) throw this.client.refused("nobody leads");
      if (!this.#replica) await this.sightings.look();
      await new Promise<void>((resolve) => void clock.setTimer(AGAIN_AFTER_MS, resolve));
    }
  }

  async #propose(batch: Batch): Promise<Proposed> {
    if (this.#replica?.leads) return this.#replica.propose(batch);
    const answer = await this.#askLeader([QUESTION.propose, this.name, encodeValue(batchFields(batch))]);
    if (!answer) return { kind: "moved" };
    const [kind, replies] = answer;
    if (kind !== "replies") return { kind: kind === "refused" ? "refused" : "moved" };
    return { kind, replies: replies === null ? undefined : list(replies, batch.operations.length).map(replyFrom) };
  }

  async #askLeader(question: readonly unknown[]): Promise<readonly unknown[] | undefined> {
    const { leader } = this;
    if (leader === undefined || leader === this.#ports.mesh.self) return undefined;
    const answer = await this.#ports.questions.ask(leader, question);
    if (!answer || answer[0] === "refused") this.sightings.doubt(leader);
    return answer;
  }

  #begin(loaded: ReturnType<GroupDisk["load"]>): void {
    if (!loaded) return;
    const { postman, clock, random, logger, emit } = this.#ports;
    const envelope = { group: this.name, generation: loaded.meta.generation };
    const replica = new Replica({
      group: this.name,
      disk: this.disk,
      loaded,
      clock,
      random,
      logger,
      watchers: this.#watchers,
      send: (to, messages) => {
        postman.send(
          to,
          envelope,
          messages.filter(({ type }) => type !== "MsgSnap"),
        );
        for (const message of messages) {
          if (message.type !== "MsgSnap") continue;
          void postman.sendSnapshot(to, envelope, message).then((sent) => {
            replica.snapshotSent(message.to, sent ? "finish" : "failure");
          });
        }
      },
      onRole: () => {
        logger.info("a group has another leader", { group: this.name, leader: replica.leader ?? "none" });
        emit({ type: "leader", group: this.name, leader: replica.leader });
      },
      onMembers: ({ removed }) => {
        if (removed) void this.leave();
      },
      onFailed: () => {
        this.#failure = "this node cannot keep its log; see its disk";
      },
    });
    this.#replica = replica;
    this.#begunAtMs = clock.monotonicMs();
    replica.start();
  }
}

/** @throws {EasynetError} INVALID_ARGUMENT */
export function checkGroupName(name: string): void {
  if (/^[a-z0-9-]{1,60}$/.test(name)) return;
  throw new EasynetError("INVALID_ARGUMENT", { subject: "The group", reason: "1 to 60 of a-z, 0-9 and - are allowed" });
}
