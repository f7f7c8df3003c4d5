/**
 * Changes of a group's members, by one voter at a time or over a joint configuration in which both the old and the new
 * majority decide (Ongaro's dissertation 2014, section 4.3; after the confchange package of etcd-io/raft, Apache-2.0).
 * A change works on a copy: when it is refused, nothing has changed.
 */
import { EasynetError } from "../../kernel/index.ts";
import type { Inflights } from "./inflights-core.ts";
import { Progress } from "./progress-core.ts";
import { voterIds } from "./quorum-core.ts";
import type { Config, Membership } from "./tracker-core.ts";
import type { ConfChangeSingle, ConfState } from "./types.ts";

export interface ChangerOptions {
  readonly membership: Membership;
  /** Of the own log: where probing a new member begins. */
  readonly lastIndex: number;
  newInflights(): Inflights;
}

export class Changer {
  readonly #options: ChangerOptions;
  readonly #config: Config;
  readonly #progress = new Map<number, Progress>();

  constructor(options: ChangerOptions) {
    const { config, progress } = options.membership;
    this.#options = options;
    this.#config = {
      incoming: new Set(config.incoming),
      outgoing: new Set(config.outgoing),
      learners: new Set(config.learners),
      learnersNext: new Set(config.learnersNext),
      autoLeave: config.autoLeave,
    };
    for (const [id, known] of progress) this.#progress.set(id, known.copy());
    checkInvariants(this.#config, this.#progress);
  }

  /** Changes of which at most one concerns a voter. @throws {EasynetError} RAFT_CHANGE_REFUSED */
  simple(changes: readonly ConfChangeSingle[]): Membership {
    if (this.#joint) throw refused("can't apply simple config change in joint config");
    this.#apply(changes);
    const before = this.#options.membership.config.incoming;
    if (before.symmetricDifference(this.#config.incoming).size > 1) {
      throw refused("more than one voter changed without entering joint config");
    }
    return this.#result();
  }

  /** The voters of now become the outgoing half, and the changes make the incoming one. @throws as `simple` */
  enterJoint(autoLeave: boolean, changes: readonly ConfChangeSingle[]): Membership {
    const config = this.#config;
    if (this.#joint) throw refused("config is already joint");
    if (config.incoming.size === 0) throw refused("can't make a zero-voter config joint");
    for (const id of config.incoming) config.outgoing.add(id);
    this.#apply(changes);
    config.autoLeave = autoLeave;
    return this.#result();
  }

  /** Only the incoming half remains. @throws as `simple` */
  leaveJoint(): Membership {
    const config = this.#config;
    if (!this.#joint) throw refused("can't leave a non-joint config");
    for (const id of config.learnersNext) {
      config.learners.add(id);
      const progress = this.#progress.get(id);
      if (progress) progress.isLearner = true;
    }
    config.learnersNext.clear();
    for (const id of config.outgoing) {
      if (!config.incoming.has(id) && !config.learners.has(id)) this.#progress.delete(id);
    }
    config.outgoing.clear();
    config.autoLeave = false;
    return this.#result();
  }

  get #joint(): boolean {
    return this.#config.outgoing.size > 0;
  }

  #result(): Membership {
    checkInvariants(this.#config, this.#progress);
    return { config: this.#config, progress: this.#progress };
  }

  #apply(changes: readonly ConfChangeSingle[]): void {
    for (const { type, nodeId } of changes) {
      if (nodeId === 0) continue;
      if (type === "ConfChangeAddNode") this.#makeVoter(nodeId);
      else if (type === "ConfChangeAddLearnerNode") this.#makeLearner(nodeId);
      else if (type === "ConfChangeRemoveNode") this.#remove(nodeId);
    }
    if (this.#config.incoming.size === 0) throw refused("removed all voters");
  }

  #makeVoter(id: number): void {
    const { incoming, learners, learnersNext } = this.#config;
    incoming.add(id);
    const progress = this.#progress.get(id);
    if (!progress) {
      this.#meet(id, false);
      return;
    }
    progress.isLearner = false;
    learners.delete(id);
    learnersNext.delete(id);
  }

  /** A voter of the outgoing half stays one until that half is gone. */
  #makeLearner(id: number): void {
    const { outgoing, learners, learnersNext } = this.#config;
    const progress = this.#progress.get(id);
    if (!progress) {
      learners.add(id);
      this.#meet(id, true);
      return;
    }
    if (progress.isLearner) return;
    this.#remove(id);
    this.#progress.set(id, progress);
    if (outgoing.has(id)) {
      learnersNext.add(id);
    } else {
      progress.isLearner = true;
      learners.add(id);
    }
  }

  #remove(id: number): void {
    const { incoming, outgoing, learners, learnersNext } = this.#config;
    incoming.delete(id);
    learners.delete(id);
    learnersNext.delete(id);
    if (!outgoing.has(id)) this.#progress.delete(id);
  }

  /** Counts as heard of, else a leader that checks its quorum could step down before the new one was able to answer. */
  #meet(id: number, isLearner: boolean): void {
    const next = Math.max(this.#options.lastIndex, 1);
    const inflights = this.#options.newInflights();
    this.#progress.set(id, new Progress({ match: 0, next, recentActive: true, inflights, isLearner }));
  }
}

/** The membership that a configuration on disk or of a snapshot describes. @param options with an empty membership */
export function restoreMembership(options: ChangerOptions, state: ConfState): Membership {
  const add = (nodeId: number): ConfChangeSingle => ({ type: "ConfChangeAddNode", nodeId });
  const remove = (nodeId: number): ConfChangeSingle => ({ type: "ConfChangeRemoveNode", nodeId });
  const learn = (nodeId: number): ConfChangeSingle => ({ type: "ConfChangeAddLearnerNode", nodeId });
  let { membership } = options;
  const simply = (change: ConfChangeSingle): void => {
    membership = new Changer({ ...options, membership }).simple([change]);
  };
  const incoming = [...state.voters.map(add), ...state.learners.map(learn), ...state.learnersNext.map(learn)];
  if (state.votersOutgoing.length === 0) {
    for (const change of incoming) simply(change);
    return membership;
  }
  // The outgoing half first, alone; entering a joint configuration then makes it the outgoing one.
  for (const id of state.votersOutgoing) simply(add(id));
  const changes = [...state.votersOutgoing.map(remove), ...incoming];
  return new Changer({ ...options, membership }).enterJoint(state.autoLeave, changes);
}

function checkInvariants(config: Config, progress: ReadonlyMap<number, Progress>): void {
  const { incoming, outgoing, learners, learnersNext, autoLeave } = config;
  for (const id of [...voterIds(config), ...learners, ...learnersNext]) {
    if (!progress.has(id)) throw refused(`no progress for ${id}`);
  }
  for (const id of learnersNext) {
    if (!outgoing.has(id)) throw refused(`${id} is in LearnersNext, but not Voters[1]`);
    if (progress.get(id)?.isLearner) throw refused(`${id} is in LearnersNext, but is already marked as learner`);
  }
  for (const id of learners) {
    if (outgoing.has(id)) throw refused(`${id} is in Learners and Voters[1]`);
    if (incoming.has(id)) throw refused(`${id} is in Learners and Voters[0]`);
    if (!progress.get(id)?.isLearner) throw refused(`${id} is in Learners, but is not marked as learner`);
  }
  if (outgoing.size > 0) return;
  if (learnersNext.size > 0) throw refused("cfg.LearnersNext must be nil when not joint");
  if (autoLeave) throw refused("AutoLeave must be false when not joint");
}

function refused(reason: string): EasynetError {
  return new EasynetError("RAFT_CHANGE_REFUSED", { reason });
}
