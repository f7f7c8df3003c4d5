import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Did } from "../identity/index.ts";
import { seededRandom } from "../kernel/index.ts";
import { fakeDid } from "../testing/index.ts";
import { SwimCore } from "./swim-core.ts";
import { suspicionMs } from "./swim-members-core.ts";
import { SWIM_LAN, type SwimEffect, type SwimMessage, type SwimUpdate } from "./swim-types.ts";

const [self, other, third] = [fakeDid(0), fakeDid(1), fakeDid(2)];

function core(epoch = 1): SwimCore {
  return new SwimCore({ self, epoch, config: SWIM_LAN, random: seededRandom(1), nowMs: 0 });
}

function update(did: Did, changes: Partial<SwimUpdate> = {}): SwimUpdate {
  return { did, epoch: 1, incarnation: 0, status: "alive", by: did, ...changes };
}

function hear(swim: SwimCore, updates: readonly SwimUpdate[], nowMs = 0): SwimEffect[] {
  return swim.step({ kind: "message", from: other, message: { kind: "news", updates } }, nowMs);
}

function sent(effects: readonly SwimEffect[]): SwimMessage[] {
  return effects.flatMap((effect) => (effect.kind === "send" ? [effect.message] : []));
}

/** Lets time pass in the steps that the core asks for. */
function pass(swim: SwimCore, untilMs: number): SwimEffect[] {
  const effects: SwimEffect[] = [];
  for (let guard = 0; swim.wakeAtMs <= untilMs && guard < 10_000; guard++) {
    effects.push(...swim.step({ kind: "tick", lateMs: 0 }, Math.max(0, swim.wakeAtMs)));
  }
  return effects;
}

/** A core that is linked to `other` and `third`. */
function linked(): SwimCore {
  const swim = core();
  hear(swim, [update(other), update(third)]);
  for (const peer of [other, third]) swim.step({ kind: "link-up", peer }, 0);
  return swim;
}

describe("the failure detector", () => {
  test("contradicts a suspicion of itself with a higher incarnation", () => {
    const swim = linked();
    const effects = hear(swim, [update(self, { incarnation: 4, status: "suspect", by: other })], 10);
    const news = sent(effects).flatMap((message) => (message.kind === "news" ? message.updates : []));
    expect(news).toContainEqual(update(self, { incarnation: 5 }));
    expect(swim.health).toBe(1);
  });

  test("reports a member when it hears of it first, alive or suspect", () => {
    const swim = core();
    const effects = hear(swim, [update(other), update(third, { status: "suspect" })]);
    const changes = effects.filter(({ kind }) => kind === "changed");
    expect(changes).toMatchObject([
      { did: other, from: undefined, to: "alive" },
      { did: third, from: undefined, to: "suspect" },
    ]);
  });

  test("reports that a member runs as another process, though it lives as before, and not that it said so again", () => {
    const swim = linked();
    const changes = (item: SwimUpdate): SwimEffect[] => hear(swim, [item]).filter(({ kind }) => kind === "changed");
    expect(changes(update(other, { epoch: 2 }))).toMatchObject([{ did: other, from: "alive", to: "alive" }]);
    expect(changes(update(other, { epoch: 2, incarnation: 1 }))).toEqual([]);
  });

  test("asks others when a member does not answer, suspects it when they say no, and declares it dead", () => {
    const swim = linked();
    swim.step({ kind: "link-down", peer: other }, 100);
    expect(swim.members.get(other)?.status).toBe("alive");
    const asked = swim.step({ kind: "tick", lateMs: 0 }, 100);
    expect([...sent(asked)].every((message) => message.kind !== "probe")).toBe(true);
    pass(swim, 1_000);
    expect(swim.members.get(other)?.status).toBe("suspect");
    pass(swim, 1_000 + suspicionMs(SWIM_LAN, 3, 0));
    expect(swim.members.get(other)?.status).toBe("dead");
  });

  test("believes a member that answers through another one", () => {
    const swim = linked();
    const effects = swim.step({ kind: "link-down", peer: other }, 100);
    const ask = sent(effects).find((message) => message.kind === "ask");
    expect(ask).toMatchObject({ target: other });
    if (ask?.kind !== "ask") return;
    swim.step({ kind: "message", from: third, message: { kind: "relayed", probe: ask.probe, answered: true } }, 150);
    pass(swim, 240);
    expect(swim.members.get(other)?.status).toBe("alive");
  });

  test("does not accuse others after it slept itself", () => {
    const swim = linked();
    swim.step({ kind: "link-down", peer: other }, 100);
    swim.step({ kind: "tick", lateMs: 8_000 }, 8_100);
    expect(swim.members.get(other)?.status).toBe("alive");
    expect(swim.health).toBeGreaterThan(0);
  });

  test("puts a suspicion off by the time that it slept", () => {
    const swim = linked();
    hear(swim, [update(third, { status: "suspect", by: other })], 100);
    swim.step({ kind: "tick", lateMs: 20_000 }, 20_100);
    expect(swim.members.get(third)?.status).toBe("suspect");
  });

  test("tells others of its maintenance, and of its end", () => {
    const swim = linked();
    swim.step({ kind: "mode", mode: "maintenance" }, 10);
    const news = sent(pass(swim, 100)).flatMap((message) => ("updates" in message ? message.updates : []));
    expect(news).toContainEqual(update(self, { incarnation: 1, status: "maintenance" }));
    const left = sent(swim.step({ kind: "mode", mode: "left" }, 200));
    expect(left).toContainEqual({ kind: "news", updates: [update(self, { incarnation: 2, status: "left" })] });
  });

  test("tells the suspected first", () => {
    const swim = linked();
    hear(swim, [update(third, { status: "suspect", by: other })], 10);
    const answer = sent(
      swim.step({ kind: "message", from: third, message: { kind: "probe", probe: 9, updates: [] } }, 20),
    );
    const [first] = answer.flatMap((message) => (message.kind === "ack" ? message.updates : []));
    expect(first).toMatchObject({ did: third, status: "suspect" });
  });

  test("keeps only so many members", () => {
    const small = new SwimCore({
      self,
      epoch: 1,
      config: { ...SWIM_LAN, membersCountMax: 2 },
      random: seededRandom(1),
      nowMs: 0,
    });
    const effects = hear(small, [update(other), update(third)]);
    expect(small.members.size).toBe(2);
    expect(effects).toContainEqual({ kind: "count", what: "members-limit" });
  });

  test("comes to the same knowledge in whatever order it hears the same statements", () => {
    const status = fc.constantFrom("alive", "suspect", "dead", "left", "maintenance");
    const statement = fc
      .record({ who: fc.constantFrom(other, third), epoch: fc.nat(2), incarnation: fc.nat(3), status })
      // A process says of itself either that it works or that it is in maintenance, under one incarnation.
      .map(({ who, epoch, incarnation, status: said }) =>
        update(who, { epoch, incarnation, status: said === "maintenance" && incarnation % 2 === 0 ? "alive" : said }),
      )
      .filter(({ status: said, incarnation }) => said !== "alive" || incarnation % 2 === 0);
    fc.assert(
      fc.property(fc.array(statement, { minLength: 1 }), fc.nat(), (statements, seed) => {
        const knowledge = (order: readonly SwimUpdate[]): unknown => {
          const swim = core();
          hear(swim, [update(other, { epoch: 0 }), update(third, { epoch: 0 })]);
          for (const item of order) hear(swim, [item]);
          return [other, third].map((did) => {
            const { epoch, incarnation, status: now } = swim.members.get(did) ?? {};
            return [epoch, incarnation, now];
          });
        };
        const random = seededRandom(seed);
        const shuffled = statements.toSorted(() => random.next() - 0.5);
        expect(knowledge(shuffled)).toEqual(knowledge(statements));
      }),
    );
  });
});

describe("a suspicion", () => {
  test("shortens with each that confirms it, down to a floor", () => {
    const lengths = [0, 1, 2, 3, 4].map((count) => suspicionMs(SWIM_LAN, 20, count));
    expect(lengths.toSorted((a, b) => b - a)).toEqual(lengths);
    expect(lengths[3]).toBe(lengths[4]);
    expect(lengths[0]).toBeCloseTo((lengths[4] ?? 0) * SWIM_LAN.suspicionMaxFactor);
  });
});
