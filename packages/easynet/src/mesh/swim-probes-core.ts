import type { Did } from "../identity/index.ts";
import type { SwimConfig } from "./swim-types.ts";

interface AskedBy {
  readonly peer: Did;
  /** Its number of the probe. */
  readonly probe: number;
}

export interface Probe {
  readonly target: Did;
  /** On behalf of this peer; undefined for an own probe. */
  readonly askedBy: AskedBy | undefined;
  /** Our own patience counts in the local health; errands for others do not. */
  readonly counted: boolean;
  dueAtMs: number;
  /** Peers that were asked to try, and have not said anything yet. */
  readonly waiting: Set<Did>;
  askedCount: number;
  refusedCount: number;
}

/** Probes under way, own ones and those for others. */
export class ProbeTable {
  readonly #config: SwimConfig;
  readonly #probes = new Map<number, Probe>();
  readonly #targets = new Map<Did, number>();
  #number = 0;
  relayedCount = 0;

  constructor(config: SwimConfig) {
    this.#config = config;
  }

  /** Monotonic ms of the next that is due. */
  get dueAtMs(): number {
    let dueAtMs = Infinity;
    for (const probe of this.#probes.values()) dueAtMs = Math.min(dueAtMs, probe.dueAtMs);
    return dueAtMs;
  }

  /** True while an own probe of the target is under way. */
  has(target: Did): boolean {
    return this.#targets.has(target);
  }

  start(target: Did, dueAtMs: number): number {
    const number = this.#add({ target, askedBy: undefined, counted: true, dueAtMs });
    this.#targets.set(target, number);
    return number;
  }

  relay(target: Did, askedBy: AskedBy, nowMs: number): number {
    this.relayedCount++;
    // Our answer must be there before the asker's patience ends.
    return this.#add({ target, askedBy, counted: false, dueAtMs: nowMs + this.#config.probeTimeoutMs });
  }

  ask(number: number, peers: readonly Did[], dueAtMs: number): void {
    const probe = this.#probes.get(number);
    if (!probe) return;
    probe.askedCount = peers.length;
    probe.dueAtMs = dueAtMs;
    for (const peer of peers) probe.waiting.add(peer);
  }

  /** The target answered; the probe is over. @returns undefined unless it was probed under this number */
  answered(number: number, from: Did): Probe | undefined {
    const probe = this.#probes.get(number);
    if (!probe || probe.target !== from) return undefined;
    this.remove(number);
    return probe;
  }

  /** Somebody who was asked says how it went. */
  relayed(number: number, from: Did, answered: boolean): Probe | undefined {
    const probe = this.#probes.get(number);
    if (!probe || !probe.waiting.delete(from)) return undefined;
    if (answered) this.remove(number);
    else probe.refusedCount++;
    return probe;
  }

  remove(number: number): void {
    const probe = this.#probes.get(number);
    if (!probe) return;
    this.#probes.delete(number);
    if (probe.askedBy) this.relayedCount--;
    if (this.#targets.get(probe.target) === number) this.#targets.delete(probe.target);
  }

  due(nowMs: number): [number, Probe][] {
    return [...this.#probes].filter(([, probe]) => probe.dueAtMs <= nowMs);
  }

  /** None ends before `untilMs`, and each `byMs` later than it would have. */
  putOff(byMs: number, untilMs: number): void {
    for (const probe of this.#probes.values()) probe.dueAtMs = Math.max(untilMs, probe.dueAtMs + byMs);
  }

  #add(probe: Pick<Probe, "target" | "askedBy" | "counted" | "dueAtMs">): number {
    this.#number = (this.#number % 0xffff_ffff) + 1;
    this.#probes.set(this.#number, { ...probe, waiting: new Set(), askedCount: 0, refusedCount: 0 });
    return this.#number;
  }
}
