/**
 * A group that changes its members all the time, while messages are lost, doubled and reordered, storage is late, machines
 * die with what they had not written, and parts of the group do not hear each other. What Raft promises is checked at each
 * step; after the storm the group must agree again.
 */
import { pick, type Random, seededRandom } from "../../../packages/easynet/src/kernel/index.ts";
import type { ConfChangeSingle, ConfState, Entry, Message } from "../../../packages/easynet/src/state/raft/types.ts";
import { type Bug, Member } from "./member.ts";

export interface MembersWorldOptions {
  readonly seed: number;
  readonly bug?: Bug;
}

const IDS = [1, 2, 3, 4, 5];
const STORM_STEPS = 6000;
const CALM_ROUNDS = 400;
const TRANSITIONS = [
  "ConfChangeTransitionAuto",
  "ConfChangeTransitionJointImplicit",
  "ConfChangeTransitionJointExplicit",
] as const;
const CHANGES = ["ConfChangeAddNode", "ConfChangeRemoveNode", "ConfChangeAddLearnerNode"] as const;

export class MembersWorld {
  readonly counts = { applied: 0, changes: 0, leaders: 0, crashes: 0, joint: 0 };
  readonly #random: Random;
  readonly #members: readonly Member[];
  readonly #problems: string[] = [];
  readonly #leaderOfTerm = new Map<number, number>();
  /** What was applied at each index, and the members then. */
  readonly #applied = new Map<number, string>();
  #messages: Message[] = [];
  /** These hear only each other. */
  #apart = new Set<number>();
  #proposedCount = 0;

  constructor({ seed, bug }: MembersWorldOptions) {
    this.#random = seededRandom(seed);
    const random = this.#random;
    const voters = this.#chance(0.5) ? [1, 2, 3] : [1];
    this.#members = IDS.map(
      (id) =>
        new Member({
          id,
          random,
          bug,
          voters: voters.includes(id) ? voters : [],
          onApplied: (entry, confState) => this.#onApplied(id, entry, confState),
          send: (message) => this.#messages.push(message),
        }),
    );
  }

  #chance(probability: number): boolean {
    return this.#random.next() < probability;
  }

  /** @returns what went wrong */
  run(): readonly string[] {
    for (let step = 0; step < STORM_STEPS && this.#problems.length === 0; step++) this.#stormStep();
    if (this.#problems.length === 0) this.#calm();
    return this.#problems;
  }

  #stormStep(): void {
    const member = pick(this.#random, this.#members);
    if (!member) return;
    const dice = this.#random.next();
    if (dice < 0.4) this.#deliverOne();
    else if (dice < 0.6) member.takeReady();
    else if (dice < 0.72) member.write();
    else if (dice < 0.8) member.apply();
    else if (dice < 0.95) member.raw.tick();
    else if (dice < 0.975) member.raw.propose(Buffer.from(`p${this.#proposedCount++}`));
    else if (dice < 0.99) this.#proposeChange(member);
    else this.#mishap(member);
    this.#checkLeader(member);
  }

  #mishap(member: Member): void {
    const dice = this.#random.next();
    if (dice < 0.35) {
      this.counts.crashes++;
      member.crash();
    } else if (dice < 0.6) {
      member.compact();
    } else if (dice < 0.8) {
      this.#apart = new Set(IDS.filter(() => this.#chance(0.4)));
    } else if (dice < 0.95) {
      this.#apart.clear();
    } else {
      member.raw.transferLeader(pick(this.#random, IDS) ?? 1);
    }
  }

  #deliverOne(): void {
    const at = Math.floor(this.#random.next() * Math.min(this.#messages.length, 20));
    const [message] = this.#messages.splice(at, 1);
    if (!message) return;
    if (this.#chance(0.03)) this.#messages.push(message);
    const isCut = this.#apart.has(message.from) !== this.#apart.has(message.to);
    if (isCut || this.#chance(0.03)) this.#report(message, "failure");
    else this.#deliver(message);
  }

  /** Whoever carries a snapshot tells its sender how that went. */
  #report({ type, from, to }: Message, outcome: "finish" | "failure"): void {
    if (type === "MsgSnap") this.#members.find(({ id }) => id === from)?.raw.reportSnapshot(to, outcome);
  }

  #deliver(message: Message): void {
    const member = this.#members.find(({ id }) => id === message.to);
    member?.raw.step(message);
    this.#report(message, "finish");
    if (member) this.#checkLeader(member);
  }

  #proposeChange({ id, raw }: Member): void {
    if (raw.status().raftState !== "StateLeader") return;
    const transition = pick(this.#random, TRANSITIONS) ?? "ConfChangeTransitionAuto";
    const isLeaving = raw.status().confState.votersOutgoing.length > 0;
    // A leader that goes hands leadership over before: what it alone knows to be committed, others have to learn first.
    const others = IDS.filter((each) => each !== id);
    const count = isLeaving ? 0 : 1 + Math.floor(this.#random.next() * 4);
    const changes = Array.from({ length: count }, (): ConfChangeSingle => {
      const type = pick(this.#random, CHANGES) ?? "ConfChangeAddNode";
      return { type, nodeId: pick(this.#random, others) ?? 1 };
    });
    raw.proposeConfChange({ transition: isLeaving ? "ConfChangeTransitionAuto" : transition, changes });
  }

  #checkLeader({ id, raw }: Member): void {
    const { raftState, term } = raw.status();
    if (raftState !== "StateLeader") return;
    const known = this.#leaderOfTerm.get(term);
    if (known === undefined) this.counts.leaders++;
    else if (known !== id) this.#problems.push(`term ${term} has two leaders, ${known} and ${id}`);
    this.#leaderOfTerm.set(term, id);
  }

  #onApplied(id: number, { index, term, type, data }: Entry, confState: ConfState): void {
    const what = JSON.stringify([term, type, Buffer.from(data).toString("hex"), confState]);
    const known = this.#applied.get(index);
    if (known === undefined) {
      this.counts.applied++;
      if (type !== "EntryNormal") this.counts.changes++;
      if (confState.votersOutgoing.length > 0) this.counts.joint++;
      this.#applied.set(index, what);
    } else if (known !== what) {
      this.#problems.push(`node ${id} applied ${what} at ${index}, another one ${known}`);
    }
  }

  /** No more faults: whoever is a member agrees on what comes then. */
  #calm(): void {
    this.#apart.clear();
    for (let round = 0; round < CALM_ROUNDS; round++) {
      for (const member of this.#members) {
        member.raw.tick();
        member.takeReady();
        member.write();
        member.write();
        member.apply();
      }
      const messages = this.#messages;
      this.#messages = [];
      for (const message of messages) this.#deliver(message);
      const leader = this.#leader();
      if (leader && round % 20 === 19 && leader.raw.status().confState.votersOutgoing.length > 0)
        this.#proposeChange(leader);
      if (leader && round % 20 === 9) leader.raw.propose(Buffer.from("calm"));
      // Whoever leads a group that it left goes once the others know all that it knows.
      if (leader && round % 50 === 49 && !leader.raw.status().confState.voters.includes(leader.id)) leader.crash();
      if (leader && round > 100 && this.#agree(leader)) return;
    }
    if (this.#isStranded()) return;
    const states = this.#members.map(({ raw }) => JSON.stringify(raw.status()));
    this.#problems.push(`the group does not agree again: ${states.join(" ")}`);
  }

  /**
   * A known limit (docs/raft.md): whoever led and died after it applied its own removal may hold more than the others, who
   * do not know yet that it is gone and wait for its vote. Only an operator can end that.
   */
  #isStranded(): boolean {
    const states = this.#members.map(({ raw }) => raw.status());
    const gone = states.filter(({ id, confState }) => confState.voters.length > 0 && !confState.voters.includes(id));
    return (
      !this.#leader() && gone.some(({ id }) => states.some(({ confState }) => confState.votersOutgoing.includes(id)))
    );
  }

  #leader(): Member | undefined {
    const leaders = this.#members.filter(({ raw }) => raw.status().raftState === "StateLeader");
    return leaders.toSorted((first, second) => second.raw.status().term - first.raw.status().term)[0];
  }

  #agree(leader: Member): boolean {
    const { applied, confState, commit } = leader.raw.status();
    if (applied !== commit || confState.votersOutgoing.length > 0) return false;
    const ids = new Set([...confState.voters, ...confState.learners]);
    return this.#members.every(({ id, raw }) => !ids.has(id) || raw.status().applied === applied);
  }
}
