/** Directed profiles, each for one promise: schedules that chance draws seldom or never. The scripts want three members. */
import type { Message } from "../../../packages/easynet/src/state/raft/types.ts";
import { CALM, type Weather } from "./profiles.ts";
import type { RaftWorld, Script } from "./raft-world.ts";

interface Directed {
  readonly weather: Weather;
  readonly script?: (world: RaftWorld) => Script;
}

/** The leader is cut off from the others, and clients still reach it: what it says by itself is old. */
const oldLeader: Directed = {
  weather: { ...CALM, checkQuorum: false },
  script: (world) => {
    let nextMs = 0;
    let isCut = false;
    return {
      turn() {
        if (world.wheel.nowMs < nextMs) return;
        const leader = world.leader();
        if (isCut || !leader) world.network.heal();
        else world.network.isolate(leader.id);
        isCut = !isCut && leader !== undefined;
        nextMs = world.wheel.nowMs + (isCut ? 1000 : 400);
      },
    };
  },
};

const CAMPAIGN_EVERY_MS = 400;
const VOTE_LATE_MS = 40;
const DOWN_MS = 5;

/**
 * Two members ask for votes in the same term and do not hear of each other; the third one gives its vote to one, crashes,
 * and hears the other one when it is back.
 */
const crashingVoter: Directed = {
  weather: { ...CALM, preVote: false, checkQuorum: false },
  script: (world) => {
    let voter = 0;
    let late = 0;
    return {
      turn() {
        const { nowMs } = world.wheel;
        if (nowMs % CAMPAIGN_EVERY_MS === CAMPAIGN_EVERY_MS / 2) world.network.heal();
        const leader = nowMs % CAMPAIGN_EVERY_MS === 0 ? world.leader() : undefined;
        if (!leader) return;
        voter = leader.id;
        const [first = 0, second = 0] = [1, 2, 3].filter((id) => id !== voter);
        late = second;
        world.network.cut(first, second);
        world.network.cut(second, first);
        for (const id of [first, second]) world.member(id)?.campaign();
      },
      delay({ type, from, to, reject }) {
        if (type === "MsgVoteResp" && from === voter && to !== late && !reject) {
          world.wheel.after(0, () => world.restart(voter, DOWN_MS));
        }
        return type === "MsgVote" && from === late ? VOTE_LATE_MS : 0;
      },
    };
  },
};

const PHASE_MS_MAX = 800;
const CAMPAIGN_AGAIN_MS = 50;

/** Figure 8 of the paper: an entry of an old term comes to lie on a majority, and is overwritten all the same. */
class Figure8 implements Script {
  readonly #world: RaftWorld;
  #phase = 0;
  #sinceMs = 0;
  /** The leader of the old term, that of the term after it, and the one that follows both. */
  #first = 0;
  #second = 0;
  #third = 0;
  /** Place of the entry. */
  #index = 0;
  #oldTerm = 0;

  constructor(world: RaftWorld) {
    this.#world = world;
  }

  turn(): void {
    const steps = [
      () => this.#isolateLeader(),
      () => this.#electSecond(),
      () => this.#isolateSecond(),
      () => this.#electFirst(),
      () => this.#crashFirst(),
      () => this.#electSecondAgain(),
    ];
    const { nowMs } = this.#world.wheel;
    const done = steps[this.#phase]?.() ?? false;
    if (done) this.#enter(this.#phase + 1);
    else if (nowMs - this.#sinceMs > PHASE_MS_MAX) {
      this.#world.network.heal();
      this.#enter(0);
    }
  }

  delay({ type, from, entries }: Message): number {
    const isMore = (entries.at(-1)?.index ?? 0) > this.#index;
    return this.#phase === 4 && type === "MsgApp" && from === this.#first && isMore ? Infinity : 0;
  }

  #enter(phase: number): void {
    this.#phase = phase;
    this.#sinceMs = this.#world.wheel.nowMs;
  }

  #isolateLeader(): boolean {
    const { network, wheel } = this.#world;
    const leader = this.#world.leader();
    if (!leader || wheel.nowMs - this.#sinceMs < PHASE_MS_MAX / 2) return false;
    [this.#first, this.#oldTerm] = [leader.id, leader.term];
    [this.#second = 0, this.#third = 0] = [1, 2, 3].filter((id) => id !== leader.id);
    network.isolate(leader.id);
    this.#index = leader.log.lastIndex + 1;
    return true;
  }

  /** As soon as the old leader holds an entry that nobody else has. */
  #electSecond(): boolean {
    const first = this.#world.member(this.#first);
    if ((first?.log.lastIndex ?? 0) < this.#index) return false;
    this.#world.member(this.#second)?.campaign();
    return true;
  }

  /** Before anybody gets the first entry of its term. */
  #isolateSecond(): boolean {
    const second = this.#world.member(this.#second);
    if (!second?.leads) return false;
    const { network } = this.#world;
    network.heal();
    network.isolate(second.id);
    this.#index = second.log.lastIndex;
    return true;
  }

  #electFirst(): boolean {
    const first = this.#world.member(this.#first);
    this.#press(this.#first);
    return first !== undefined && first.leads && first.term > this.#oldTerm;
  }

  /** As soon as the third one has said that it holds the old entry. */
  #crashFirst(): boolean {
    const first = this.#world.member(this.#first);
    const progress = first?.raft.status().progress.find(({ id }) => id === this.#third);
    if (!first || (progress?.match ?? 0) < this.#index) return false;
    this.#world.restart(first.id, PHASE_MS_MAX / 2);
    this.#world.network.heal();
    return true;
  }

  #electSecondAgain(): boolean {
    this.#press(this.#second);
    return this.#world.checks.lastCommitted > this.#index;
  }

  /** Lets a member campaign now and then until it leads. */
  #press(id: number): void {
    const member = this.#world.member(id);
    if (member?.leads === false && (this.#world.wheel.nowMs - this.#sinceMs) % CAMPAIGN_AGAIN_MS === 0)
      member.campaign();
  }
}

const figure8: Directed = {
  weather: { ...CALM, checkQuorum: false, smallAppends: true, latencyMsMax: 2 },
  script: (world) => new Figure8(world),
};

export const DIRECTED = {
  "old-leader": oldLeader,
  "crashing-voter": crashingVoter,
  "figure-8": figure8,
  /** Everybody loses what the disk had not written. */
  "power-cuts": { weather: { ...CALM, powerCuts: 0.4, syncMsMax: 30 } },
  /** Members know what is committed long before they may apply it. */
  "slow-disks": { weather: { ...CALM, slowDisks: 0.5 } },
  /** Clients repeat much. */
  "lossy-links": { weather: { ...CALM, lossRatio: 0.2, doubleRatio: 0.2, latencyMsMax: 30 } },
} as const satisfies Record<string, Directed>;
