import { describe, expect, test } from "vitest";
import { silentLogger } from "../../kernel/index.ts";
import { VirtualClock } from "../../testing/virtual-clock.ts";
import { Election } from "./election.ts";
import { MemoryCriticalStore } from "./memory-critical-store.ts";
import { freeName, takeName } from "./names.ts";
import type { CriticalStore } from "./types.ts";

const TTL_MS = 3000;

function world() {
  const clock = new VirtualClock();
  const store = new MemoryCriticalStore(clock);
  const leading: string[] = [];
  const tokens: number[] = [];
  const stand = (candidate: string, on: CriticalStore = store) =>
    new Election({
      store: on,
      clock,
      logger: silentLogger,
      resource: "work",
      candidate,
      ttlMs: TTL_MS,
      onChange(lease) {
        if (lease) {
          leading.push(candidate);
          tokens.push(lease.token);
        } else leading.push(`not ${candidate}`);
      },
    });
  return { clock, store, leading, tokens, stand };
}

describe("an election", () => {
  test("one candidate leads for as long as it lives, and the next one when it goes", async () => {
    const { clock, leading, tokens, stand } = world();
    const anna = stand("anna");
    await clock.advanceAsync(0);
    const ben = stand("ben");
    await clock.advanceAsync(TTL_MS * 5);
    expect(leading).toEqual(["anna"]);
    expect([anna.lease?.owner, ben.lease]).toEqual(["anna", undefined]);
    await anna[Symbol.asyncDispose]();
    await clock.advanceAsync(TTL_MS);
    expect(leading).toEqual(["anna", "not anna", "ben"]);
    expect(tokens[1]).toBeGreaterThan(tokens[0] ?? 0);
    await ben[Symbol.asyncDispose]();
  });

  test("a leader that cannot reach the store gives up before another one leads", async () => {
    const { clock, store, leading, stand } = world();
    let reachable = true;
    const cut = new Proxy(store, {
      get(target, name) {
        if (!reachable) return async () => Promise.reject(new Error("cut off"));
        const member: unknown = Reflect.get(target, name);
        return typeof member === "function" ? member.bind(target) : member;
      },
    });
    const anna = stand("anna", cut);
    await clock.advanceAsync(0);
    const ben = stand("ben");
    reachable = false;
    await clock.advanceAsync(TTL_MS * 3);
    expect(leading).toEqual(["anna", "not anna", "ben"]);
    reachable = true;
    await clock.advanceAsync(TTL_MS * 3);
    expect(leading).toHaveLength(3);
    await anna[Symbol.asyncDispose]();
    await ben[Symbol.asyncDispose]();
  });
});

describe("a unique name", () => {
  test("belongs to the first who asks, until that one frees it", async () => {
    const { store } = world();
    const [anna, ben] = ["anna", "ben"].map((owner) => ({ name: "printer", owner }));
    const outcomes = await Promise.all([anna!, ben!, anna!].map(async (wish) => takeName(store, wish)));
    expect(outcomes).toEqual([{ taken: true }, { taken: false, owner: "anna" }, { taken: true }]);
    await expect(freeName(store, ben!)).resolves.toBe(false);
    await expect(freeName(store, anna!)).resolves.toBe(true);
    await expect(takeName(store, ben!)).resolves.toEqual({ taken: true });
  });
});
