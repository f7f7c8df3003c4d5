import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Did } from "../identity/index.ts";
import { isEasynetError, seededRandom } from "../kernel/index.ts";
import { fakeDid } from "../testing/index.ts";
import { ByteBudget, SeenCache } from "./gossip-cache-core.ts";
import { GOSSIP_CONFIG, GossipCore, type GossipConfig, type GossipEffect, type Payload } from "./gossip-core.ts";
import { decodeGossip, encodeGossip } from "./gossip.ts";
import { verifies } from "../../../../test/requirements.ts";

const dids = Array.from({ length: 60 }, (_, index) => fakeDid(index));

function payload(id: string, size = 100): Payload {
  return { id, topic: "test", bytes: new Uint8Array(size) };
}

interface Event {
  readonly atMs: number;
  readonly run: () => void;
}

/** Cores that are all linked to one another, with one-way delays and losses of their pushes. */
class Party {
  readonly cores: readonly GossipCore[];
  readonly delivered = new Map<string, number>();
  pushes = 0;
  nowMs = 0;
  #events: Event[] = [];
  readonly #lossRatio: number;
  readonly #random;

  constructor(count: number, options: { seed?: number; lossRatio?: number; config?: Partial<GossipConfig> } = {}) {
    this.#random = seededRandom(options.seed ?? 1);
    this.#lossRatio = options.lossRatio ?? 0;
    const config = { ...GOSSIP_CONFIG, ...options.config };
    this.cores = dids.slice(0, count).map(() => new GossipCore({ config, random: this.#random, nowMs: 0 }));
    for (const [index, core] of this.cores.entries()) {
      for (const [other, peer] of dids.slice(0, count).entries()) {
        if (other !== index) this.perform(index, core.step({ kind: "link-up", peer }, 0));
      }
    }
  }

  publish(index: number, id: string): void {
    this.perform(index, this.cores[index]!.step({ kind: "publish", payload: payload(id) }, this.nowMs));
  }

  perform(index: number, effects: readonly GossipEffect[]): void {
    for (const effect of effects) {
      if (effect.kind === "deliver") {
        const key = `${index} ${effect.payload.id}`;
        this.delivered.set(key, (this.delivered.get(key) ?? 0) + 1);
      }
      if (effect.kind !== "send") continue;
      if (effect.message.kind === "push") this.pushes++;
      if (effect.message.kind === "push" && this.#random.next() < this.#lossRatio) continue;
      const to = dids.indexOf(effect.to);
      const { message } = effect;
      const from: Did = dids[index]!;
      this.#events.push({
        atMs: this.nowMs + 1 + this.#random.next(),
        run: () => this.perform(to, this.cores[to]!.step({ kind: "message", from, message }, this.nowMs)),
      });
    }
  }

  run(untilMs: number): void {
    for (;;) {
      const wakes = this.cores.map((core, index): Event => {
        return {
          atMs: Math.max(this.nowMs, core.wakeAtMs),
          run: () => this.perform(index, core.step({ kind: "tick" }, this.nowMs)),
        };
      });
      const next = [...this.#events, ...wakes].toSorted((a, b) => a.atMs - b.atMs)[0];
      if (!next || next.atMs > untilMs) break;
      this.#events = this.#events.filter((event) => event !== next);
      this.nowMs = next.atMs;
      next.run();
    }
    this.nowMs = untilMs;
  }
}

describe("a broadcast", () => {
  verifies("mesh:gossip:broadcast");

  test("reaches each of fifty nodes once", () => {
    const party = new Party(50);
    party.publish(0, "a");
    party.run(5_000);
    expect(party.delivered.size).toBe(49);
    expect(new Set(party.delivered.values())).toEqual(new Set([1]));
  });

  test("reaches everybody though a third of the pushes is lost", () => {
    const party = new Party(40, { lossRatio: 0.33 });
    for (let count = 0; count < 5; count++) party.publish(count, `p${count}`);
    party.run(20_000);
    expect(party.delivered.size).toBe(5 * 39);
  });

  test("sheds its doubles: once the tree stands, a payload is pushed about once per receiver", () => {
    const party = new Party(50);
    for (let count = 0; count < 30; count++) {
      party.publish(0, `warm${count}`);
      party.run(party.nowMs + 1_000);
    }
    party.pushes = 0;
    party.publish(0, "last");
    party.run(party.nowMs + 2_000);
    expect(party.pushes).toBeLessThan(49 * 1.5);
    expect([...party.delivered.keys()].filter((key) => key.endsWith(" last"))).toHaveLength(49);
  });

  test("announces what comes fast in one message per peer and delay", () => {
    const core = new GossipCore({ config: GOSSIP_CONFIG, random: seededRandom(1), nowMs: 0 });
    for (const peer of dids.slice(0, 10)) core.step({ kind: "link-up", peer }, 0);
    const announced = new Set<string>();
    let messages = 0;
    for (let nowMs = 0; nowMs < 4000; nowMs++) {
      const input =
        nowMs < 1000 ? { kind: "publish" as const, payload: payload(`p${nowMs}`) } : { kind: "tick" as const };
      const effects = [...core.step(input, nowMs), ...core.step({ kind: "tick" }, nowMs)];
      for (const effect of effects) {
        if (effect.kind !== "send" || effect.message.kind !== "have") continue;
        messages++;
        for (const id of effect.message.ids) announced.add(id);
      }
    }
    expect(announced.size).toBe(1000);
    // To 3 peers each: 50 times a second, 5 times a second, once a second, and what is left at the end.
    expect(messages).toBeLessThan(3 * (50 + 2 * 5 + 4));
  });

  test("goes only as many steps as it may", () => {
    const core = new GossipCore({ config: GOSSIP_CONFIG, random: seededRandom(1), nowMs: 0 });
    for (const peer of dids.slice(0, 3)) core.step({ kind: "link-up", peer }, 0);
    const effects = core.step(
      { kind: "message", from: dids[0]!, message: { kind: "push", hopsLeft: 1, payload: payload("x") } },
      0,
    );
    expect(effects.map(({ kind }) => kind)).toEqual(["deliver"]);
  });

  test("above its bytes per second announces and does not push", () => {
    const config = { ...GOSSIP_CONFIG, bytesPerSecondMax: 250 };
    const core = new GossipCore({ config, random: seededRandom(1), nowMs: 0 });
    for (const peer of dids.slice(0, 3)) core.step({ kind: "link-up", peer }, 0);
    const sent = core.step({ kind: "publish", payload: payload("x") }, 0).flatMap((effect) => {
      return effect.kind === "send" ? [effect.message.kind] : [];
    });
    expect(sent).toEqual(["push", "push", "have"]);
  });

  test("gives up what everybody announced and nobody sent", () => {
    const core = new GossipCore({ config: GOSSIP_CONFIG, random: seededRandom(1), nowMs: 0 });
    core.step({ kind: "link-up", peer: dids[0]! }, 0);
    core.step({ kind: "message", from: dids[0]!, message: { kind: "have", ids: ["x"] } }, 0);
    const all: GossipEffect[] = [];
    for (let guard = 0; core.wakeAtMs < Infinity && guard < 10; guard++) {
      all.push(...core.step({ kind: "tick" }, core.wakeAtMs));
    }
    expect(all).toContainEqual({ kind: "count", what: "given-up" });
    expect(core.wakeAtMs).toBe(Infinity);
  });
});

describe("the memory of a broadcast", () => {
  test("is bounded in ids and in bytes", () => {
    const cache = new SeenCache({ seenCountMax: 3, keptBytesMax: 250 });
    for (const id of ["a", "b", "c", "d"]) cache.add(payload(id), 1);
    expect(["a", "b", "c", "d"].map((id) => cache.has(id))).toEqual([false, true, true, true]);
    expect(["b", "c", "d"].map((id) => cache.get(id) !== undefined)).toEqual([false, true, true]);
  });

  test("fills its budget again with time, up to one second's worth", () => {
    const budget = new ByteBudget(100, 0);
    expect([budget.take(100, 0), budget.take(1, 0), budget.take(50, 500), budget.take(60, 500)]).toEqual([
      true,
      false,
      true,
      false,
    ]);
    expect(budget.take(101, 60_000)).toBe(false);
  });
});

test("what is encoded decodes to the same, and anything else is refused", () => {
  const ids = fc.array(fc.string({ minLength: 1, maxLength: 160 }), { minLength: 1, maxLength: 20 });
  fc.assert(
    fc.property(ids, fc.uint8Array({ maxLength: 50 }), fc.nat(255), (some, bytes, hopsLeft) => {
      const push = { kind: "push", hopsLeft, payload: { id: some[0]!, topic: "t", bytes } } as const;
      for (const message of [
        push,
        { kind: "have", ids: some },
        { kind: "want", ids: some },
        { kind: "prune" },
      ] as const) {
        expect(encodeGossip(message).map((body) => decodeGossip(body, 100))).toEqual([message]);
      }
    }),
  );
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), (noise) => {
      expect(outcomeOf(() => decodeGossip(noise, 100))).toMatch(/^(FRAME_|decoded)/);
    }),
  );
});

function outcomeOf(run: () => unknown): string {
  try {
    run();
    return "decoded";
  } catch (error) {
    return isEasynetError(error) ? error.code : String(error);
  }
}
