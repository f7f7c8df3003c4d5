import type { Did } from "../../packages/easynet/src/identity/index.ts";
import { noMetrics, type Random, seededRandom, silentLogger } from "../../packages/easynet/src/kernel/index.ts";
import { createSharedState, type RunningState } from "../../packages/easynet/src/state/index.ts";
import { MemoryStore, type Store, type Write } from "../../packages/easynet/src/storage/index.ts";
import { fakeDid, type FakeMesh, FakeNetwork, VirtualClock } from "../../packages/easynet/src/testing/index.ts";
import { FRAME_TYPES } from "../../packages/easynet/src/wire/index.ts";

/** Bugs that the checks must find; each is planted between a node and its disk or its links. */
export type StateFault =
  | "none"
  /** What is known reaches the disk, the entries that it speaks of do not. */
  | "vector-without-entries"
  /** A resolved write is not on disk. */
  | "write-not-kept"
  /** Nobody asks, answers or compares: only pushes arrive. */
  | "no-repair";

export interface StateProfile {
  readonly nodes: number;
  /** Virtual ms of writes, partitions and restarts. */
  readonly stormMs: number;
  readonly partitions: boolean;
  readonly restarts: boolean;
  /** A third of the pushes never arrives. */
  readonly losesPushes: boolean;
  readonly fault: StateFault;
}

interface Node {
  readonly did: Did;
  state: RunningState;
  store: MemoryStore;
}

const KEYS = 40;
const STEP_MS = 50;
/** A digest goes to a random peer each 10 s; everybody hears of everything within a few of them. */
const QUIET_MS = 60_000;
const SPACES = ["default", "sum", "tags", "both"] as const;

/** Nodes that share four spaces on one virtual clock, and what they were promised. */
export class StateWorld {
  readonly #clock = new VirtualClock();
  readonly #random: Random;
  readonly #network: FakeNetwork;
  readonly #profile: StateProfile;
  readonly #nodes: Node[] = [];
  /** Resolved increments, by key. */
  readonly #sums = new Map<string, number>();
  /** Resolved adds that nobody removes: each writer has elements of its own. */
  readonly #elements = new Set<string>();
  /** Keys that were written once, and must be there in the end. */
  readonly #alone = new Set<string>();
  readonly #problems: string[] = [];
  #starts = 0;
  #number = 0;

  constructor(seed: number, profile: StateProfile) {
    this.#random = seededRandom(seed);
    this.#profile = profile;
    const latencyMs = (): number => 1 + Math.floor(this.#random.next() * 40);
    this.#network = new FakeNetwork({ clock: this.#clock, latencyMs, dialMs: 20, noticeMs: 100 });
    for (let index = 0; index < profile.nodes; index++) {
      const store = new MemoryStore();
      this.#nodes.push({ did: fakeDid(index), store, state: this.#start(fakeDid(index), store) });
    }
  }

  /** Everything that went wrong; empty when every promise held. */
  async run(): Promise<readonly string[]> {
    await this.#clock.advanceAsync(2000);
    const first = this.#nodes[0]?.state;
    void first?.declare("sum", { merge: "counter", historyMax: 0 });
    void first?.declare("tags", { merge: "set" });
    void first?.declare("both", { merge: "keep-both" });
    await this.#clock.advanceAsync(15_000);
    for (let atMs = 0; atMs < this.#profile.stormMs; atMs += STEP_MS) {
      this.#step();
      await this.#clock.advanceAsync(STEP_MS);
    }
    this.#network.heal();
    await this.#clock.advanceAsync(QUIET_MS);
    this.#check();
    for (const { state } of this.#nodes) state.stop();
    return this.#problems;
  }

  #step(): void {
    const chance = this.#random.next();
    if (this.#profile.partitions && chance < 0.05) this.#split();
    else if (this.#profile.partitions && chance < 0.1) this.#network.heal();
    else if (this.#profile.restarts && chance < 0.16) this.#restart();
    const count = Math.floor(this.#random.next() * 3);
    for (let index = 0; index < count; index++) this.#write();
  }

  #split(): void {
    const sides = new Map(this.#nodes.map(({ did }) => [did, Math.floor(this.#random.next() * 2)]));
    this.#network.partition((from, to) => sides.get(from) === sides.get(to));
  }

  #restart(): void {
    const node = this.#any();
    node.state.stop();
    this.#network.crash(node.did);
    // What only the operating system had is gone: power went with the process.
    node.store = node.store.cutPower();
    node.state = this.#start(node.did, node.store);
  }

  #write(): void {
    const { state, did } = this.#any();
    const space = SPACES[Math.floor(this.#random.next() * SPACES.length)] ?? "default";
    const key = `k${Math.floor(this.#random.next() * KEYS)}`;
    this.#number += 1;
    const number = this.#number;
    if (!state.spaces().some(({ name }) => name === space)) return;
    if (space === "sum") {
      this.#noted(state.write(key, { kind: "increment", by: number }, { space }), () => {
        this.#sums.set(key, (this.#sums.get(key) ?? 0) + number);
      });
    } else if (space === "tags") {
      const element = `${did}-${number}`;
      this.#noted(state.write(key, { kind: "add", element }, { space }), () => this.#elements.add(`${key} ${element}`));
    } else if (space === "both") {
      this.#noted(state.put(key, number, { space, resolve: true }), () => undefined);
    } else if (this.#random.next() < 0.2) {
      this.#noted(state.delete(key), () => undefined);
    } else {
      const own = `own-${number}`;
      this.#noted(state.put(own, number), () => this.#alone.add(own));
      this.#noted(state.put(key, number), () => undefined);
    }
  }

  /** Takes note once the write has resolved; a node that stopped before makes no promise. */
  #noted(write: Promise<unknown>, note: () => void): void {
    write.then(note, () => undefined);
  }

  #check(): void {
    const [first] = this.#nodes;
    if (!first) return;
    for (const space of SPACES) {
      const expected = JSON.stringify(shown(first.state, space));
      const others = this.#nodes.filter(({ state }) => JSON.stringify(shown(state, space)) !== expected);
      if (others.length > 0) this.#problems.push(`diverged: ${others.length} nodes differ in ${space}`);
    }
    const sums = new Map(first.state.list({ space: "sum" }).map(({ key, value }) => [key, Number(value)]));
    for (const [key, sum] of this.#sums) {
      if ((sums.get(key) ?? 0) !== sum) this.#problems.push(`lost: ${key} counts ${sums.get(key)} of ${sum}`);
    }
    const tags = new Map(first.state.list({ space: "tags" }).map(({ key, value }) => [key, value]));
    for (const each of this.#elements) {
      const [key = "", element] = each.split(" ");
      const found = tags.get(key);
      if (!Array.isArray(found) || !found.includes(element)) this.#problems.push(`lost: ${each}`);
    }
    const all = new Set<string>();
    for (let after = ""; ;) {
      const page = first.state.list({ after, prefix: "own-" });
      for (const { key } of page) all.add(key);
      const last = page.at(-1);
      if (!last) break;
      after = last.key;
    }
    for (const key of this.#alone) if (!all.has(key)) this.#problems.push(`lost: ${key}`);
  }

  #start(did: Did, store: MemoryStore): RunningState {
    this.#starts += 1;
    const mesh = this.#network.join(did);
    this.#plant(mesh);
    const state = createSharedState({
      mesh,
      store: this.#faulty(store),
      // As a node does it: at least the seconds of the wall clock.
      epoch: Math.floor(this.#clock.nowMs() / 1000) + this.#starts,
      clock: this.#clock,
      random: seededRandom(this.#starts),
      logger: silentLogger,
      metrics: noMetrics,
      directory: { nodes: () => [] },
    });
    state.start();
    for (const other of this.#network.meshes.keys()) if (other !== did) mesh.learn(other, ["fake"]);
    return state;
  }

  #plant(mesh: FakeMesh): void {
    const { fault, losesPushes } = this.#profile;
    const send = mesh.send.bind(mesh);
    mesh.send = (to, frame) => {
      const isPush = frame.type === FRAME_TYPES["state-push"];
      if (isPush && losesPushes && this.#random.next() < 0.3) return true;
      return (fault === "no-repair" && !isPush) || send(to, frame);
    };
  }

  #faulty(store: MemoryStore): Store {
    const { fault } = this.#profile;
    if (fault !== "vector-without-entries" && fault !== "write-not-kept") return store;
    const drops = ({ key }: Write): boolean => key.startsWith("e/") && this.#random.next() < 0.2;
    return {
      commit: (writes, options) => {
        const kept = writes.filter((write) => !drops(write));
        return store.commit(kept, fault === "write-not-kept" ? { durability: "process" } : options);
      },
      get: (space, key) => store.get(space, key),
      list: (space, options) => store.list(space, options),
      close: () => store.close(),
    };
  }

  #any(): Node {
    const node = this.#nodes[Math.floor(this.#random.next() * this.#nodes.length)];
    if (!node) throw new Error("no nodes");
    return node;
  }
}

function shown(state: RunningState, space: string): unknown {
  const pages: unknown[] = [];
  if (!state.spaces().some(({ name }) => name === space)) return "unknown";
  for (let after = ""; ;) {
    const page = state.list({ space, after });
    pages.push(page.map(({ key, value, conflict }) => [key, value, conflict]));
    const last = page.at(-1);
    if (!last) return pages;
    after = last.key;
  }
}
