/**
 * Three nodes with the whole consensus service (groups, replicas, clients, growth) on a network that is cut and healed, on
 * disks that are slow and lose at a crash what was not synced, with wall clocks apart, and clients of every node; all from
 * one seed. test/simulation/raft/ simulates the core a hundred times faster; here what stands around it is tried. The
 * history must be linearizable, and at the end everybody answers.
 */
import {
  type Clock,
  isEasynetError,
  noMetrics,
  pick,
  type Random,
  seededRandom,
  silentLogger,
} from "../../packages/easynet/src/kernel/index.ts";
import { type Consensus, createConsensus } from "../../packages/easynet/src/state/consensus/index.ts";
import type { CriticalStore } from "../../packages/easynet/src/state/critical/types.ts";
import { fakeDid, FakeNetwork, VirtualClock } from "../../packages/easynet/src/testing/index.ts";
import {
  checkLinearizable,
  type Operation,
  type RegisterCall,
  registerModel,
} from "../../packages/easynet/src/testing/linearizability/index.ts";
import { SlowDisk } from "./delivery-store.ts";

type KeyedCall = RegisterCall & { readonly key: string };

export interface ConsensusWorldOptions {
  readonly seed: number;
  /** Planted fault: disks answer before they have written. */
  readonly earlyDisks?: boolean;
}

interface Place {
  readonly index: number;
  disk: SlowDisk;
  epoch: number;
  life: Life | undefined;
  readonly wallOffsetMs: number;
}

interface Life {
  readonly consensus: Consensus;
  alive: boolean;
  /** Resolves when the process is gone. */
  readonly ended: PromiseWithResolvers<"ended">;
}

const NODES = 3;
const KEYS = ["x", "y", "z"];
const CLIENTS = 4;
const STORM_MS = 15_000;
const GROW_MS_MAX = 60_000;
const SETTLE_MS_MAX = 60_000;
const TURN_MS = 250;
/** So much more is lost by a crash. */
const EARLY_MS = 400;
const TIMES = { lookMs: 300, stableMs: 500, lostMs: 3_600_000 };

export class SimulatedConsensus {
  readonly problems: string[] = [];
  readonly history: Operation<KeyedCall>[] = [];
  readonly counts = { operations: 0, unanswered: 0, crashes: 0, cuts: 0 };
  readonly #random: Random;
  readonly #clock = new VirtualClock();
  readonly #network: FakeNetwork;
  readonly #places: readonly Place[];
  /** What was refused, and so may not have taken place. */
  readonly #refused = new Set<Operation<KeyedCall>>();
  #order = 0;
  #stopping = false;
  #valueCount = 0;

  constructor({ seed, earlyDisks = false }: ConsensusWorldOptions) {
    const random = seededRandom(seed);
    this.#random = random;
    const latencyMs = 1 + random.next() * (random.next() < 0.3 ? 40 : 8);
    this.#network = new FakeNetwork({
      clock: this.#clock,
      latencyMs: () => 0.5 + random.next() * latencyMs,
      noticeMs: () => random.next() * 400,
      dialMs: 5,
    });
    const isSlow = random.next() < 0.3 || earlyDisks;
    const syncMsMax = 1 + random.next() * (isSlow ? 60 : 8) + (earlyDisks ? EARLY_MS : 0);
    this.#places = Array.from({ length: NODES }, (_, index) => ({
      index,
      disk: new SlowDisk({ clock: this.#clock, random, syncMsMax }, earlyDisks ? "early" : undefined),
      epoch: 0,
      life: undefined,
      wallOffsetMs: (random.next() - 0.5) * 20_000,
    }));
  }

  /** @returns what was wrong, empty when nothing was */
  async run(): Promise<readonly string[]> {
    try {
      for (const place of this.#places) await this.#start(place);
      const isGrown = (): boolean => this.#places.every((place) => this.#votersOf(place) === NODES);
      if (await this.#until(isGrown, GROW_MS_MAX)) await this.#live();
      else this.problems.push("the group did not grow to three voters");
    } catch (error) {
      this.problems.push(`a node broke: ${error instanceof Error ? error.message : String(error)}`);
    }
    for (const place of this.#places) this.#crash(place);
    return this.problems;
  }

  async #live(): Promise<void> {
    let running = CLIENTS;
    for (let count = CLIENTS; count > 0; count--) {
      this.#client().then(
        () => (running -= 1),
        (error: unknown) => this.problems.push(`a client failed: ${String(error)}`),
      );
    }
    for (let leftMs = STORM_MS; leftMs > 0; leftMs -= TURN_MS) {
      await this.#act();
      await this.#clock.advanceAsync(TURN_MS);
    }
    this.#network.heal();
    for (const place of this.#places) if (!place.life) await this.#start(place);
    await this.#clock.advanceAsync(5000);
    this.#stopping = true;
    if (!(await this.#until(() => running === 0, SETTLE_MS_MAX))) this.problems.push("clients are not answered");
    await this.#readEverywhere();
    this.#judge();
  }

  /** Linearizable reads on every node, after all that was answered. */
  async #readEverywhere(): Promise<void> {
    for (const { life, index } of this.#places) {
      let done = !life;
      const store = life?.consensus.store();
      const reads = Promise.all(KEYS.map(async (key) => store && this.#read(store, key)));
      reads.then(
        (heard) => (done = heard.every((each) => each === true)),
        (error: unknown) => this.problems.push(`node ${index} does not read: ${String(error)}`),
      );
      if (!(await this.#until(() => done, SETTLE_MS_MAX))) this.problems.push(`node ${index} does not answer`);
    }
  }

  async #act(): Promise<void> {
    const place = pick(this.#random, this.#places);
    const other = pick(this.#random, this.#places);
    if (!place || !other) return;
    const chance = (ratio: number): boolean => this.#random.next() < ratio;
    if (!place.life) {
      if (chance(0.5)) await this.#start(place);
      return;
    }
    if (chance(0.06)) this.#crash(place);
    else if (chance(0.08)) {
      this.counts.cuts += 1;
      const did = fakeDid(place.index + 1);
      this.#network.partition((from, to) => from !== did && to !== did);
    } else if (chance(0.05) && other !== place) this.#network.cut(fakeDid(place.index + 1), fakeDid(other.index + 1));
    else if (chance(0.25)) this.#network.heal();
  }

  async #start(place: Place): Promise<void> {
    const did = fakeDid(place.index + 1);
    place.epoch += 1;
    const mesh = this.#network.join(did, { epoch: place.epoch });
    const life: Life = {
      alive: true,
      ended: Promise.withResolvers(),
      consensus: this.#consensus(place, () => life.alive),
    };
    place.life = life;
    for (const { index } of this.#places) {
      if (index !== place.index) mesh.learn(fakeDid(index + 1), [`fake#${index + 1}`]);
    }
    await life.consensus.start();
    await mesh.start();
  }

  #consensus(place: Place, isAlive: () => boolean): Consensus {
    const mesh = this.#network.meshes.get(fakeDid(place.index + 1));
    if (!mesh) throw new Error("the node has not joined");
    const clock: Clock = {
      nowMs: () => this.#clock.nowMs() + place.wallOffsetMs,
      monotonicMs: () => this.#clock.monotonicMs(),
      setTimer: (delayMs, callback) => this.#clock.setTimer(delayMs, () => void (isAlive() && callback())),
    };
    const ports = { clock, random: this.#random, logger: silentLogger, metrics: noMetrics };
    return createConsensus({ mesh, store: place.disk, founds: place.index === 0, times: TIMES, ...ports });
  }

  #crash(place: Place): void {
    const { life } = place;
    if (!life) return;
    this.counts.crashes += 1;
    life.alive = false;
    life.ended.resolve("ended");
    place.life = undefined;
    this.#network.crash(fakeDid(place.index + 1));
    place.disk = place.disk.crash();
    // The object lives on in this process; nothing of it reaches anybody.
    life.consensus.stop().catch(() => undefined);
  }

  async #client(): Promise<void> {
    while (!this.#stopping) {
      await new Promise<void>((resolve) => void this.#clock.setTimer(this.#random.next() * 200, resolve));
      const life = pick(this.#random, this.#places)?.life;
      const key = pick(this.#random, KEYS);
      if (!life || key === undefined) continue;
      const store = life.consensus.store();
      await Promise.race([
        this.#random.next() < 0.5 ? this.#read(store, key) : this.#write(store, key),
        life.ended.promise,
      ]);
    }
  }

  /** True when it was answered. */
  async #read(store: CriticalStore, key: string): Promise<boolean> {
    const invokedAt = ++this.#order;
    try {
      const entry = await store.get(key);
      const value = entry && Buffer.from(entry.value).toString();
      this.history.push({ call: { kind: "read", value, key }, invokedAt, returnedAt: ++this.#order });
      return true;
    } catch {
      return false;
    }
  }

  /** A compare-and-set from what the key holds, or a write; without an answer it may take effect at any time. */
  async #write(store: CriticalStore, key: string): Promise<void> {
    const to = `v${++this.#valueCount}`;
    const value = Buffer.from(to);
    const isSwap = this.#random.next() < 0.5;
    const entry = isSwap ? await store.get(key).catch(() => undefined) : undefined;
    const from = entry && Buffer.from(entry.value).toString();
    const asked: KeyedCall = entry ? { kind: "cas", from, to, done: true, key } : { kind: "write", value: to, key };
    // In the history from the start: a process that dies never says how it ended.
    const open: Operation<KeyedCall> = { call: asked, invokedAt: ++this.#order, returnedAt: Infinity };
    const place = this.history.push(open) - 1;
    try {
      if (entry) {
        const { done } = await store.compareAndSet({ key, revision: entry.revision, value });
        this.history[place] = { ...open, call: { kind: "cas", from, to, done, key }, returnedAt: ++this.#order };
      } else {
        await store.put(key, value);
        this.history[place] = { ...open, returnedAt: ++this.#order };
      }
    } catch (error) {
      // Every other error leaves open whether it took place.
      if (isEasynetError(error, "NO_MAJORITY")) this.#refused.add(open);
    }
  }

  #votersOf({ life }: Place): number {
    const [report] = life?.consensus.reports() ?? [];
    return report?.members.filter(({ vote }) => vote === "voter").length ?? 0;
  }

  async #until(isTrue: () => boolean, durationMs: number): Promise<boolean> {
    for (let passedMs = 0; passedMs < durationMs && !isTrue(); passedMs += 100) await this.#clock.advanceAsync(100);
    return isTrue();
  }

  #judge(): void {
    const history = this.history.filter((operation) => !this.#refused.has(operation));
    this.counts.operations = history.length;
    this.counts.unanswered = history.filter(({ returnedAt }) => returnedAt === Infinity).length;
    const verdict = checkLinearizable(history, registerModel(), { keyOf: ({ key }) => key });
    if (verdict.outcome === "linearizable") return;
    const blocked = verdict.outcome === "violated" ? JSON.stringify(history[verdict.blocked]) : "";
    this.problems.push(`the history of ${verdict.key} is ${verdict.outcome}: ${blocked}`);
  }
}
