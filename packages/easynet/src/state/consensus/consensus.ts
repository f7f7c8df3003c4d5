import type { Did } from "../../identity/index.ts";
import {
  type Clock,
  EasynetError,
  type Logger,
  type Metrics,
  type Random,
  repeat,
  type Timer,
} from "../../kernel/index.ts";
import type { Mesh } from "../../mesh/index.ts";
import type { Store } from "../../storage/index.ts";
import { decodeValue } from "../../wire/index.ts";
import { batchFrom, leaseFrom, queryFrom } from "../critical/operation-codec.ts";
import { OperationStore } from "../critical/operation-store.ts";
import type { CriticalStore } from "../critical/types.ts";
import { Machine } from "../critical/machine-core.ts";
import { GroupState } from "./group-state.ts";
import { checkGroupName, Group } from "./group.ts";
import { groupsOn } from "./group-disk.ts";
import { Growth, type GrowthTimes } from "./growth.ts";
import { bytes, text } from "./message-codec.ts";
import { Postman } from "./postman.ts";
import { QUESTION, Questions } from "./questions.ts";
import { reportOf } from "./report.ts";
import { sightingFields } from "./sightings.ts";
import type { Consensus, ConsensusEvent, GroupReport } from "./types.ts";

/** The group of a network that every node uses when it names none. */
const MAIN_GROUP = "main";

/** Groups that one node takes part in or uses. */
const GROUPS_COUNT_MAX = 64;
/** A node that may found the network's group first looks so long whether it is there, ms. */
const FOUND_AFTER_MS = 1500;
/** How often links to members are compared with before, ms. */
const LOOK_MS = 1000;
/** Revisions left out when a group is made anew: whatever was granted and lost stays smaller than what is granted then. */
const REVISIONS_SKIPPED = 1_000_000_000;

export interface ConsensusOptions {
  readonly mesh: Mesh;
  readonly store: Store;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** This node may found the network's group: one node of a network, the one that holds its key. */
  readonly founds: boolean;
  readonly times?: Partial<GrowthTimes>;
}

export function createConsensus(options: ConsensusOptions): Consensus {
  return new ConsensusService(options);
}

class ConsensusService implements Consensus {
  readonly #options: ConsensusOptions;
  readonly #groups = new Map<string, Group>();
  readonly #listeners = new Set<(event: ConsensusEvent) => void>();
  readonly #questions: Questions;
  readonly #postman: Postman;
  readonly #growth: Growth;
  readonly #timers: Timer[] = [];
  /** The members in reach, by group, as they were told last. */
  readonly #sides = new Map<string, string>();

  constructor(options: ConsensusOptions) {
    const { mesh, clock } = options;
    this.#options = options;
    this.#questions = new Questions(mesh, clock, async (from, question) => this.#answer(from, question));
    this.#postman = new Postman(mesh, (from, { group, generation }, message) => {
      this.#group(group)?.receive(from, generation, message);
    });
    this.#growth = new Growth({ ...options, groups: () => this.#groups.values() });
  }

  async start(): Promise<void> {
    const { mesh, clock, store, founds } = this.#options;
    for (const name of [MAIN_GROUP, ...groupsOn(store)]) this.#group(name);
    for (const group of this.#groups.values()) group.load();
    mesh.on("peer-left", ({ did }) => {
      for (const { replica } of this.#groups.values()) replica?.lost(did);
    });
    this.#growth.start();
    this.#timers.push(repeat(clock, LOOK_MS, () => this.#lookAtSides()));
    if (founds && !this.#groups.get(MAIN_GROUP)?.replica) {
      this.#timers.push(clock.setTimer(FOUND_AFTER_MS, () => void this.#foundMain()));
    }
  }

  async stop(): Promise<void> {
    for (const timer of this.#timers) timer.cancel();
    this.#growth.stop();
    await Promise.all(Array.from(this.#groups.values(), async (group) => group.stop()));
  }

  store(name = MAIN_GROUP): CriticalStore {
    return new OperationStore(this.#need(name));
  }

  async found(name: string): Promise<void> {
    const group = this.#need(name);
    await group.sightings.look();
    if (group.replica || group.sightings.last) return;
    if (name !== MAIN_GROUP) {
      // Of several that found it at the same moment the network's group chooses one.
      const self = Buffer.from(this.#options.mesh.self);
      const taken = await this.store().compareAndSet({ key: `easynet/group/${name}`, revision: 0, value: self });
      if (!taken.done && Buffer.compare(Buffer.from(taken.current?.value ?? []), self) !== 0) return;
    }
    const { mesh, clock } = this.#options;
    const generation = Math.floor(clock.nowMs() / 1000);
    await group.become(
      { id: 1, generation, previous: 0 },
      new GroupState(new Machine(), [[1, { did: mesh.self, epoch: mesh.epoch }]]),
    );
    this.#options.logger.info("a group was founded", { group: name, generation });
  }

  reports(): readonly GroupReport[] {
    return Array.from(this.#groups.values(), reportOf);
  }

  async transfer(name: string, to: Did): Promise<void> {
    const group = this.#need(name);
    const { replica } = group;
    if (!replica?.leads) throw this.#unchanged(name, "this node does not lead it; ask the one that does");
    const id = replica.state.idOf(to);
    if (id === undefined || !replica.confState.voters.includes(id))
      throw this.#unchanged(name, "that node has no vote");
    if (!group.isReachable(to)) throw this.#unchanged(name, "that node is not in reach");
    replica.transferLeader(id);
  }

  async force(name: string): Promise<void> {
    const group = this.#need(name);
    const { replica } = group;
    if (!replica) throw this.#unchanged(name, "this node has nothing of it");
    if (group.hopeless() === undefined) throw this.#unchanged(name, "a majority of its voters is in reach");
    const { machine, members } = GroupState.decode(replica.state.encode());
    machine.skipRevisions(REVISIONS_SKIPPED);
    const { mesh, clock, logger } = this.#options;
    const previous = replica.meta.generation;
    const generation = Math.max(previous + 1, Math.floor(clock.nowMs() / 1000));
    const id = Math.max(...members.keys(), replica.meta.id) + 1;
    await group.become(
      { id, generation, previous },
      new GroupState(machine, [...members, [id, { did: mesh.self, epoch: mesh.epoch }]]),
    );
    logger.warn("a group was made anew from this node alone", { group: name, generation, previous });
    this.#emit({ type: "forced", group: name, generation });
  }

  on(listener: (event: ConsensusEvent) => void): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) };
  }

  async #foundMain(): Promise<void> {
    try {
      await this.found(MAIN_GROUP);
    } catch (error) {
      this.#options.logger.error("the network's group could not be founded", { error });
    }
  }

  #need(name: string): Group {
    checkGroupName(name);
    const group = this.#group(name);
    if (group) return group;
    throw new EasynetError("OVERLOADED", { subject: "Consensus", queued: GROUPS_COUNT_MAX });
  }

  /** Undefined for a name that is none, and beyond the limit. */
  #group(name: string): Group | undefined {
    const known = this.#groups.get(name);
    if (known || this.#groups.size >= GROUPS_COUNT_MAX || !/^[a-z0-9-]{1,60}$/.test(name)) return known;
    const ports = {
      questions: this.#questions,
      postman: this.#postman,
      emit: (event: ConsensusEvent) => this.#emit(event),
    };
    const group = new Group(name, { ...this.#options, ...ports });
    this.#groups.set(name, group);
    return group;
  }

  async #answer(from: Did, [kind, name, content]: readonly unknown[]): Promise<readonly unknown[] | undefined> {
    const group = this.#group(text(name));
    if (!group?.replica) return undefined;
    switch (kind) {
      case QUESTION.who: {
        if (typeof content === "number" && content > 0) this.#growth.asked(group, { did: from, epoch: content });
        const { replica } = group;
        const { generation, previous } = replica.meta;
        const { term } = replica.status();
        const members = [...replica.state.members];
        const { voters } = replica.confState;
        return sightingFields({ generation, previous, term, leader: replica.leader, members, voters });
      }
      case QUESTION.propose:
        return group.answerPropose(batchFrom(decodeValue(bytes(content))));
      case QUESTION.query:
        return group.answerQuery(queryFrom(content));
      case QUESTION.keepAlive: {
        const kept = await group.replica.keepAlive(leaseFrom(content));
        return kept === "moved" ? undefined : [kept];
      }
      default:
        return undefined;
    }
  }

  /** Says when another set of members is in reach than before. */
  #lookAtSides(): void {
    const { metrics } = this.#options;
    for (const group of this.#groups.values()) {
      if (!group.replica) continue;
      const { members } = reportOf(group);
      const here = members.filter(({ reachable }) => reachable).map(({ did }) => did);
      const there = members.filter(({ reachable }) => !reachable).map(({ did }) => did);
      const labels = { group: group.name };
      metrics.gauge("easynet_group_members_unreachable", there.length, labels);
      metrics.gauge("easynet_group_leads", group.replica.leads ? 1 : 0, labels);
      const side = there.join(" ");
      if ((this.#sides.get(group.name) ?? "") === side) continue;
      this.#sides.set(group.name, side);
      this.#emit({ type: "partition", group: group.name, here, there, hasMajority: group.missing() === undefined });
    }
  }

  #emit(event: ConsensusEvent): void {
    if (event.type === "leader")
      this.#options.metrics.count("easynet_group_leader_changes_total", { group: event.group });
    for (const listener of this.#listeners) listener(event);
  }

  #unchanged(group: string, reason: string): EasynetError {
    return new EasynetError("MEMBERS_UNCHANGED", { group, reason });
  }
}
