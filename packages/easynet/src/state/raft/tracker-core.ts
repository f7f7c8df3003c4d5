import { Inflights } from "./inflights-core.ts";
import { Progress } from "./progress-core.ts";
import { jointCommitted, jointVote, type JointVoters, type VoteResult } from "./quorum-core.ts";
import type { ConfState } from "./types.ts";

/** Who is a member of a group and as what. Learners and voters have nobody in common. */
export interface Config extends JointVoters {
  readonly incoming: Set<number>;
  readonly outgoing: Set<number>;
  readonly learners: Set<number>;
  /** Outgoing voters that become learners when the joint configuration is left. */
  readonly learnersNext: Set<number>;
  autoLeave: boolean;
}

/** A configuration, and what is known about each of its members. */
export interface Membership {
  readonly config: Config;
  /** By ascending id. */
  readonly progress: Map<number, Progress>;
}

export interface TrackerLimits {
  readonly maxInflightMsgs: number;
  readonly maxInflightBytes: number;
}

export function emptyMembership(): Membership {
  const config = {
    incoming: new Set<number>(),
    outgoing: new Set<number>(),
    learners: new Set<number>(),
    learnersNext: new Set<number>(),
    autoLeave: false,
  };
  return { config, progress: new Map() };
}

const ascending = (ids: Iterable<number>): number[] => [...ids].toSorted((first, second) => first - second);

/** Votes and progress of the members of a group (after tracker.ProgressTracker of etcd-io/raft, Apache-2.0). */
export class ProgressTracker {
  readonly #limits: TrackerLimits;
  #membership = emptyMembership();
  readonly #votes = new Map<number, boolean>();

  constructor(limits: TrackerLimits) {
    this.#limits = limits;
  }

  get membership(): Membership {
    return this.#membership;
  }

  set membership({ config, progress }: Membership) {
    const sorted = [...progress].toSorted(([first], [second]) => first - second);
    this.#membership = { config, progress: new Map(sorted) };
  }

  get config(): Config {
    return this.#membership.config;
  }

  /** By ascending id. */
  get progress(): Map<number, Progress> {
    return this.#membership.progress;
  }

  newInflights(): Inflights {
    return new Inflights(this.#limits.maxInflightMsgs, this.#limits.maxInflightBytes);
  }

  confState(): ConfState {
    const { incoming, outgoing, learners, learnersNext, autoLeave } = this.config;
    return {
      voters: ascending(incoming),
      votersOutgoing: ascending(outgoing),
      learners: ascending(learners),
      learnersNext: ascending(learnersNext),
      autoLeave,
    };
  }

  /** True when one voter decides alone. */
  get isSingleton(): boolean {
    return this.config.incoming.size === 1 && this.config.outgoing.size === 0;
  }

  /** The highest index that a quorum has. */
  committed(): number {
    return jointCommitted(this.config, (id) => this.progress.get(id)?.match);
  }

  /** True when a quorum was heard of since the last check. */
  quorumActive(): boolean {
    const active = new Map<number, boolean>();
    for (const [id, { isLearner, recentActive }] of this.progress) if (!isLearner) active.set(id, recentActive);
    return jointVote(this.config, active) === "VoteWon";
  }

  /** Everybody is at the beginning again; oneself has everything. */
  resetProgress(self: number, lastIndex: number): void {
    for (const [id, { isLearner }] of this.progress) {
      const match = id === self ? lastIndex : 0;
      const inflights = this.newInflights();
      this.progress.set(id, new Progress({ match, next: lastIndex + 1, recentActive: false, inflights, isLearner }));
    }
  }

  resetVotes(): void {
    this.#votes.clear();
  }

  /** The first vote of a node counts. */
  recordVote(id: number, granted: boolean): void {
    if (!this.#votes.has(id)) this.#votes.set(id, granted);
  }

  tallyVotes(): { readonly granted: number; readonly rejected: number; readonly result: VoteResult } {
    let granted = 0;
    let rejected = 0;
    for (const [id, { isLearner }] of this.progress) {
      const vote = isLearner ? undefined : this.#votes.get(id);
      if (vote === true) granted++;
      else if (vote === false) rejected++;
    }
    return { granted, rejected, result: jointVote(this.config, this.#votes) };
  }
}
