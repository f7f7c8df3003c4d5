import { describe, expect, test } from "vitest";
import { EasynetError, noMetrics, seededRandom, silentLogger } from "../../kernel/index.ts";
import { MemoryStore } from "../../storage/index.ts";
import { fakeDid, FakeNetwork, VirtualClock } from "../../testing/index.ts";
import type { CriticalEntry } from "../critical/types.ts";
import type { Deciding } from "./majority.ts";
import { createSharedState, type RunningState } from "./shared-state.ts";
import type { Reading, StateEvent } from "./types.ts";

/** One value per key for all who can reach it. */
class FakeMajority implements Deciding {
  readonly #entries = new Map<string, CriticalEntry>();
  #revision = 0;
  /** Nodes on the losing side. */
  readonly cutOff = new Set<number>();

  of(number: number): Deciding {
    const check = (): void => {
      if (this.cutOff.has(number)) throw new EasynetError("OVERLOADED", { subject: "no majority", queued: 0 });
    };
    return {
      get: async (key) => (check(), this.get(key)),
      put: async (key, value) => (check(), this.put(key, value)),
      compareAndSet: async (change) => (check(), this.compareAndSet(change)),
    };
  }

  async get(key: string): Promise<CriticalEntry | undefined> {
    return this.#entries.get(key);
  }

  async put(key: string, value: Uint8Array): Promise<number> {
    this.#revision += 1;
    this.#entries.set(key, { key, value, revision: this.#revision });
    return this.#revision;
  }

  async compareAndSet({
    key,
    revision,
  }: Parameters<Deciding["compareAndSet"]>[0]): ReturnType<Deciding["compareAndSet"]> {
    const current = this.#entries.get(key);
    if ((current?.revision ?? 0) !== revision) return { done: false, current };
    this.#entries.delete(key);
    this.#revision += 1;
    return { done: true, revision: this.#revision };
  }
}

/** Members that share state, over links of 1 ms. */
class World {
  readonly clock = new VirtualClock();
  readonly network = new FakeNetwork({ clock: this.clock, latencyMs: 1 });
  readonly majority = new FakeMajority();
  readonly states: RunningState[] = [];
  readonly stores: MemoryStore[] = [];

  constructor(count: number) {
    for (let number = 0; number < count; number++) this.start(number);
  }

  start(number: number): RunningState {
    const did = fakeDid(number);
    const mesh = this.network.join(did);
    const store = this.stores[number]?.reopen() ?? new MemoryStore();
    const nodes = () => [...this.network.meshes.keys()].map((member) => nodeOf(member));
    const state = createSharedState({
      mesh,
      store,
      epoch: Math.floor(this.clock.nowMs() / 1000),
      clock: this.clock,
      random: seededRandom(number),
      logger: silentLogger,
      metrics: noMetrics,
      directory: { nodes },
      critical: this.majority.of(number),
    });
    state.start();
    this.states[number] = state;
    this.stores[number] = store;
    for (const other of this.network.meshes.keys()) if (other !== did) mesh.learn(other, ["fake"]);
    return state;
  }

  of(number: number): RunningState {
    const state = this.states[number];
    if (!state) throw new Error(`no node ${number}`);
    return state;
  }

  stop(number: number): void {
    this.of(number).stop();
    this.network.crash(fakeDid(number));
  }

  /** Nobody reaches that node, and it reaches nobody. */
  cutOff(number: number): void {
    const did = fakeDid(number);
    this.network.partition((from, to) => (from === did) === (to === did));
  }

  /** The outcome of a call that needs time to pass. */
  async passing<Value>(call: Promise<Value>, ms = 10_000): Promise<Value> {
    const ended = new AbortController();
    const outcome = call.finally(() => ended.abort());
    outcome.catch(() => undefined);
    for (let passedMs = 0; !ended.signal.aborted && passedMs < ms; passedMs += 1) await this.clock.advanceAsync(1);
    return outcome;
  }
}

function nodeOf(did: ReturnType<typeof fakeDid>) {
  const record = { owner: did, name: "n", version: "0", addresses: [], offers: {}, cards: [] };
  return { did, record, status: "alive" as const, load: undefined, lastSeenAtMs: 0 };
}

async function linked(count: number): Promise<World> {
  const world = new World(count);
  await world.clock.advanceAsync(100);
  return world;
}

describe("a space", () => {
  test("tells every replica of a write, and keeps it over a restart", async () => {
    const world = await linked(3);
    await world.passing(world.of(0).put("k", { n: 1 }));
    await world.clock.advanceAsync(20);
    for (const number of [0, 1, 2]) expect(await world.of(number).get("k")).toMatchObject({ value: { n: 1 } });
    world.stop(0);
    expect(await world.start(0).get("k")).toMatchObject({ found: true, value: { n: 1 } });
  });

  test("is known to everybody once it is declared, and closed to who is no replica of it", async () => {
    const world = await linked(3);
    const replicas = [fakeDid(0), fakeDid(1)];
    await world.passing(world.of(0).declare("plans", { merge: "keep-both", replicas }));
    await world.passing(world.of(0).put("k", 1, { space: "plans" }));
    await world.clock.advanceAsync(20);
    expect(await world.of(1).get("k", { space: "plans" })).toMatchObject({ value: 1 });
    await expect(world.of(2).get("k", { space: "plans" })).rejects.toMatchObject({ code: "NOT_A_REPLICA" });
    await expect(world.of(2).get("k", { space: "nowhere" })).rejects.toMatchObject({ code: "SPACE_UNKNOWN" });
    expect(world.stores[2]?.list("state.plans")).toEqual([]);
    expect(
      world
        .of(1)
        .spaces()
        .map(({ name, merge }) => [name, merge]),
    ).toEqual([
      ["default", "last-writer"],
      ["plans", "keep-both"],
    ]);
  });

  test("heals after a partition without losing a write of either side, and watchers hear of both", async () => {
    const world = await linked(3);
    await world.passing(world.of(0).put("both", "before"));
    await world.clock.advanceAsync(20);
    world.cutOff(2);
    const events: StateEvent[] = [];
    using _ = world.of(0).watch({ key: "both" }, (event) => events.push(event));
    await world.passing(world.of(0).put("left", 1));
    await world.passing(world.of(2).put("right", 2));
    await world.passing(world.of(0).put("both", "of the left"));
    await world.clock.advanceAsync(5);
    await world.passing(world.of(2).put("both", "of the right"));
    world.network.heal();
    await world.clock.advanceAsync(100);
    for (const number of [0, 1, 2]) {
      const values: Reading[] = [];
      for (const key of ["left", "right", "both"]) values.push(await world.of(number).get(key));
      expect(values.map(({ value }) => value)).toEqual([1, 2, "of the right"]);
    }
    expect(events.map(({ value }) => value)).toEqual(["of the left", "of the right"]);
    expect(events[1]?.concurrent.map(({ value }) => value)).toEqual(["of the left"]);
  });

  test("sends a replica that was away only what it lacks", async () => {
    const world = await linked(2);
    for (let number = 0; number < 200; number++) void world.of(0).put(`k${number}`, "x".repeat(100));
    await world.clock.advanceAsync(100);
    world.stop(1);
    await world.passing(world.of(0).put("one more", 1));
    const before = world.network.deliveredCount;
    world.start(1);
    await world.clock.advanceAsync(1000);
    expect(await world.of(1).get("one more")).toMatchObject({ value: 1 });
    // Digests and asks of two spaces, and one entry: far fewer than 200.
    expect(world.network.deliveredCount - before).toBeLessThan(20);
  });

  test("remembers the last changes of a key, as many as it is to", async () => {
    const world = await linked(1);
    await world.passing(world.of(0).declare("short", { historyMax: 2 }));
    for (const value of [1, 2, 3]) await world.passing(world.of(0).put("k", value, { space: "short" }));
    await world.passing(world.of(0).delete("k", { space: "short" }));
    const history = world.of(0).history("k", { space: "short" });
    expect(history.map((version) => version.value)).toEqual([undefined, 3]);
    await world.clock.advanceAsync(61_000);
    expect(world.stores[0]?.list("state-history.short")).toHaveLength(2);
  });

  test("comes back from its backup, over what was written since", async () => {
    const world = await linked(1);
    const state = world.of(0);
    await world.passing(state.declare("votes", { merge: "set" }));
    await world.passing(state.put("k", "kept"));
    await world.passing(state.write("v", { kind: "add", element: "yes" }, { space: "votes" }));
    const backups = [state.backup(), state.backup({ space: "votes" })];
    await world.passing(state.put("k", "changed"));
    await world.passing(state.delete("v", { space: "votes" }));
    for (const backup of backups) expect(await world.passing(state.restore(backup))).toBe(1);
    expect(await state.get("k")).toMatchObject({ value: "kept" });
    expect(await state.get("v", { space: "votes" })).toMatchObject({ value: ["yes"] });
  });
});

describe("a read", () => {
  test("with a session's token waits for what the session saw, and says when it cannot have it", async () => {
    const world = await linked(3);
    const { token } = await world.passing(world.of(0).put("k", 1));
    const read = world.of(1).get("k", { consistency: "session", token });
    expect(await world.passing(read)).toMatchObject({ value: 1 });
    world.cutOff(0);
    const later = await world.passing(world.of(0).put("k", 2));
    const refused = world.of(1).get("k", { consistency: "session", token: later.token, timeoutMs: 100 });
    await expect(world.passing(refused)).rejects.toMatchObject({ code: "STATE_TOO_STALE" });
    expect(await world.of(1).get("k")).toMatchObject({ value: 1 });
    await expect(world.of(1).get("k", { consistency: "session" })).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
  });

  test("with a bound asks every replica that was not heard for so long, and is refused at once when one is out of reach", async () => {
    const world = await linked(3);
    const blind = world.of(0);
    expect(await world.passing(blind.get("k", { consistency: "bounded", stalenessMs: 0 }))).toMatchObject({
      found: false,
    });
    await world.passing(world.of(2).put("k", 1));
    expect(await world.passing(blind.get("k", { consistency: "bounded", stalenessMs: 0 }))).toMatchObject({ value: 1 });
    world.cutOff(2);
    const bounded = { consistency: "bounded", stalenessMs: 1000 } as const;
    expect(await world.passing(blind.get("k", bounded))).toMatchObject({ value: 1 });
    await world.clock.advanceAsync(2000);
    await expect(blind.get("k", bounded)).rejects.toMatchObject({
      code: "STATE_TOO_STALE",
      details: { missing: fakeDid(2) },
    });
  });

  test("through the majority sees the last write anywhere; the losing side is refused at once and goes on locally", async () => {
    const world = await linked(3);
    const linearizable = { consistency: "linearizable" } as const;
    const { revision } = await world.passing(world.of(0).put("leader", "amber", linearizable));
    expect(revision).toBe(1);
    expect(await world.of(2).get("leader", linearizable)).toMatchObject({ found: true, value: "amber" });
    await world.clock.advanceAsync(20);
    world.majority.cutOff.add(2);
    await expect(world.of(2).get("leader", linearizable)).rejects.toMatchObject({ code: "OVERLOADED" });
    await expect(world.of(2).put("leader", "jade", linearizable)).rejects.toMatchObject({ code: "OVERLOADED" });
    expect(await world.of(2).get("leader")).toMatchObject({ value: "amber" });
    await expect(world.of(2).put("leader", "jade")).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
    expect(await world.passing(world.of(2).put("mine", 1))).toMatchObject({ key: "mine" });
    await world.passing(world.of(0).delete("leader", linearizable));
    expect(await world.of(0).get("leader", linearizable)).toMatchObject({ found: false });
    expect(await world.of(0).get("leader")).toMatchObject({ found: false });
  });
});

test("the record that the seeds name says who wrote what, when, and who keeps it", async () => {
  const world = await linked(2);
  await world.passing(world.of(0).put("k", { a: 1 }));
  await world.clock.advanceAsync(20);
  const record = await world.of(1).record("k");
  expect(record).toMatchObject({
    stateId: "default/k",
    agentId: fakeDid(0),
    data: { a: 1 },
    consistencyLevel: "local",
  });
  expect(record.replicas).toEqual([fakeDid(0), fakeDid(1)].sort());
  expect(record.vectorClock).toEqual({ [fakeDid(0)]: record.version });
});

test("keys and names beyond their limits are refused", async () => {
  const state = (await linked(1)).of(0);
  const refused = { code: "INVALID_ARGUMENT" };
  for (const key of ["", "x".repeat(401), "a\u0000b", "\ud800"]) {
    await expect(state.put(key, 1)).rejects.toMatchObject(refused);
  }
  for (const name of ["", "_spaces", "a b", "x".repeat(65), "default"]) {
    await expect(state.declare(name)).rejects.toMatchObject(refused);
  }
  await expect(state.declare("s", { entriesMax: 0 })).rejects.toMatchObject(refused);
  await expect(state.put("k", undefined)).rejects.toMatchObject(refused);
});
