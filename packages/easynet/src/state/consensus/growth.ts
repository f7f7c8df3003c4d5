import type { Did } from "../../identity/index.ts";
import { type Clock, type Logger, repeat, type Timer } from "../../kernel/index.ts";
import type { Mesh } from "../../mesh/index.ts";
import { encodeValue } from "../../wire/index.ts";
import type { Group } from "./group.ts";
import { memberFields, type Member } from "./group-state.ts";
import { type MemberView, nextChange } from "./growth-core.ts";
import { LOG_KEPT_COUNT } from "./limits.ts";
import type { Replica } from "./replica.ts";

export interface GrowthTimes {
  /** How often members are looked at, and nodes that are none say that they would be, ms. */
  readonly lookMs: number;
  /** A node is stable after it was in reach for so long, ms. */
  readonly stableMs: number;
  /** A member that was out of reach for so long counts as gone for good, ms. */
  readonly lostMs: number;
}

/** Five minutes: a machine that is only visiting is not asked to decide; a day: one that is switched off at night stays. */
const TIMES: GrowthTimes = { lookMs: 5000, stableMs: 5 * 60_000, lostMs: 24 * 60 * 60_000 };

/** Nodes that a leader remembers as willing, for each group. */
const CANDIDATES_COUNT_MAX = 64;

export interface GrowthOptions {
  readonly mesh: Mesh;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly times?: Partial<GrowthTimes>;
  readonly groups: () => Iterable<Group>;
}

interface Candidate extends Member {
  readonly sinceMs: number;
  lastMs: number;
}

/** Lets groups grow: nodes that are no members offer themselves, leaders take the ones that stay. */
export class Growth {
  readonly #options: GrowthOptions;
  readonly #times: GrowthTimes;
  readonly #candidates = new Map<Group, Map<Did, Candidate>>();
  readonly #seenAtMs = new Map<Did, number>();
  #timer: Timer | undefined;

  constructor(options: GrowthOptions) {
    this.#options = options;
    this.#times = { ...TIMES, ...options.times };
  }

  start(): void {
    this.#timer = repeat(this.#options.clock, this.#times.lookMs, () => this.#look());
  }

  stop(): void {
    this.#timer?.cancel();
  }

  /** A node that is no member would be one. */
  asked(group: Group, { did, epoch }: Member): void {
    const nowMs = this.#options.clock.monotonicMs();
    const candidates = this.#candidates.get(group) ?? new Map<Did, Candidate>();
    this.#candidates.set(group, candidates);
    const known = candidates.get(did);
    if (known?.epoch === epoch) known.lastMs = nowMs;
    else if (candidates.size < CANDIDATES_COUNT_MAX) candidates.set(did, { did, epoch, sinceMs: nowMs, lastMs: nowMs });
  }

  #look(): void {
    for (const group of this.#options.groups()) {
      const { replica } = group;
      if (!replica) void group.sightings.look(true);
      else if (replica.leads) this.#tend(group, replica);
      else if (replica.leader === undefined) void this.#compare(group, replica);
    }
  }

  /** Perhaps the group was made anew without this node: then what it has is void. */
  async #compare(group: Group, { meta, confState }: Replica): Promise<void> {
    await group.sightings.look();
    const { last } = group.sightings;
    if (!last?.leader) return;
    const isReplaced = last.previous === meta.generation && last.generation !== meta.generation;
    const isRemoved =
      last.generation === meta.generation &&
      confState.voters.length > 0 &&
      !last.members.some(([id]) => id === meta.id);
    if (!isReplaced && !isRemoved) return;
    this.#options.logger.warn("a group goes on without what this node has of it", { group: group.name });
    await group.leave();
  }

  #tend(group: Group, replica: Replica): void {
    const { clock, logger } = this.#options;
    const nowMs = clock.monotonicMs();
    const { confState, meta, state } = replica;
    const candidate = this.#candidate(group, replica);
    const members = this.#views(group, replica);
    const id = state.nextId();
    const changes = nextChange({ confState, self: meta.id, members, candidate: candidate && id });
    if (!changes) return;
    const isJoining = changes.some(({ type }) => type === "ConfChangeAddLearnerNode");
    const context = isJoining && candidate ? { context: encodeValue(memberFields([[id, candidate]])) } : {};
    if (candidate) this.#seenAtMs.set(candidate.did, nowMs);
    if (!replica.change({ transition: "ConfChangeTransitionAuto", changes, ...context })) return;
    logger.info("a group changes its members", {
      group: group.name,
      changes: changes.map(({ type, nodeId }) => `${type} ${nodeId}`),
    });
  }

  #views(group: Group, replica: Replica): readonly MemberView[] {
    const { clock } = this.#options;
    const nowMs = clock.monotonicMs();
    const { progress, commit } = replica.status();
    return progress.map(({ id, match, recentActive }) => {
      const did = replica.didOf(id);
      if (did && (group.isReachable(did) || !this.#seenAtMs.has(did))) this.#seenAtMs.set(did, nowMs);
      const seenAtMs = (did && this.#seenAtMs.get(did)) ?? nowMs;
      const isClose = match > 0 && commit - match < LOG_KEPT_COUNT;
      // It asks to become a member: so it has nothing of what this member had.
      const asking = did && this.#candidates.get(group)?.get(did);
      const isEmpty = asking !== undefined && asking.epoch !== replica.state.members.get(id)?.epoch;
      const newer = did && replica.state.idOf(did);
      const isReplaced = newer !== id && progress.some((member) => member.id === newer);
      return {
        id,
        caughtUp: recentActive && isClose,
        lost: isEmpty || isReplaced || nowMs - seenAtMs > this.#times.lostMs,
      };
    });
  }

  /** The node that has been willing and in reach for longest, when that is long enough. */
  #candidate(group: Group, replica: Replica): Member | undefined {
    const nowMs = this.#options.clock.monotonicMs();
    const { stableMs, lookMs } = this.#times;
    const candidates = this.#candidates.get(group) ?? new Map<Did, Candidate>();
    const ids = new Set(replica.status().progress.map(({ id }) => id));
    const isMember = ({ did, epoch }: Candidate): boolean =>
      [...replica.state.members].some(([id, member]) => ids.has(id) && member.did === did && member.epoch === epoch);
    // Silent for some of its turns, away, or taken: it begins anew.
    for (const candidate of candidates.values()) {
      const isSilent = nowMs - candidate.lastMs > lookMs * 4;
      if (isSilent || !group.isReachable(candidate.did) || isMember(candidate)) candidates.delete(candidate.did);
    }
    return [...candidates.values()].find(({ sinceMs }) => nowMs - sinceMs >= stableMs);
  }
}
