import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { seededRandom } from "../../kernel/index.ts";
import { type InboxBatch, InboxCore } from "./inbox-core.ts";
import { RESEND_AFTER_MS } from "./limits.ts";
import { type OutboxBatch, OutboxCore, type OutboxEffect } from "./outbox-core.ts";
import { comparePositions, endOf, type Position, START } from "./position.ts";
import { verifies } from "../../../../../test/requirements.ts";
import { tries } from "../../../../../test/quick.ts";

verifies("messaging:priority:emergency-first");

const LANE_BYTES = 1000;

function sent(first: number, changes: Partial<OutboxBatch> = {}): OutboxBatch {
  const basics = { lane: 2, epoch: 5, first, count: 1, byteLength: 100, expiresAtMs: 1_000_000 };
  return { ...basics, transmitted: false, held: false, hasRow: true, ...changes };
}

function received(first: number, changes: Partial<InboxBatch> = {}): InboxBatch {
  return { lane: 2, epoch: 5, first, count: 1, byteLength: 100, durability: 2, next: 0, stored: false, ...changes };
}

function report(sequence: number, windowBytes = LANE_BYTES, epoch = 5) {
  return { lane: 2, position: { epoch: sequence === 0 ? 0 : epoch, sequence }, windowBytes };
}

function outbox(): OutboxCore<OutboxBatch> {
  return new OutboxCore({ epoch: 5, random: seededRandom(1) });
}

function told(effects: readonly OutboxEffect<OutboxBatch>[]): readonly string[] {
  return effects.map((effect) => {
    if (effect.kind === "refused") return effect.reason;
    const at = `${effect.kind} ${effect.batch.first}`;
    return effect.kind === "transmit" ? `${at} after ${effect.after.epoch}.${effect.after.sequence}` : at;
  });
}

describe("the outbox of a peer", () => {
  test("waits for a link and for what the peer has, sends within its window, and again from there on", () => {
    const core = outbox();
    for (const first of [1, 2, 3]) expect(told(core.step({ kind: "batch", batch: sent(first) }, 0))).toEqual([]);
    expect(told(core.step({ kind: "linked" }, 0))).toEqual([]);
    expect(told(core.step({ kind: "watermarks", reports: [report(0, 250)] }, 0))).toEqual([
      "transmit 1 after 0.0",
      "transmit 2 after 5.1",
    ]);
    expect(told(core.step({ kind: "ack", reports: [report(1, 250)] }, 1))).toEqual([
      "acknowledged 1",
      "transmit 3 after 5.2",
    ]);
    expect(told(core.step({ kind: "gap", reports: [report(1, 250)] }, 2))).toEqual([
      "transmit 2 after 0.0",
      "transmit 3 after 5.2",
    ]);
    core.step({ kind: "unlinked" }, 3);
    core.step({ kind: "linked" }, 4);
    expect(told(core.step({ kind: "watermarks", reports: [report(2)] }, 5))).toEqual([
      "acknowledged 2",
      "transmit 3 after 0.0",
    ]);
    expect(told(core.step({ kind: "ack", reports: [report(3)] }, 6))).toEqual(["acknowledged 3"]);
    expect([core.queuedBytes, core.queuedCount, core.wakeAtMs]).toEqual([0, 0, Infinity]);
  });

  test("sends everything again when nothing is acknowledged, later and later", () => {
    const core = outbox();
    core.step({ kind: "linked" }, 0);
    core.step({ kind: "watermarks", reports: [report(0)] }, 0);
    core.step({ kind: "batch", batch: sent(1) }, 0);
    const pauses: number[] = [];
    for (let nowMs = 0; pauses.length < 12;) {
      const wakeAtMs = core.wakeAtMs;
      pauses.push(wakeAtMs - nowMs);
      nowMs = wakeAtMs;
      expect(told(core.step({ kind: "time" }, nowMs))).toEqual(["transmit 1 after 0.0"]);
    }
    expect(Math.min(...pauses)).toBeGreaterThanOrEqual(RESEND_AFTER_MS);
    expect(Math.max(...pauses.slice(0, 3))).toBeLessThan(2000);
    expect(Math.max(...pauses)).toBeGreaterThan(5000);
    expect(Math.max(...pauses)).toBeLessThanOrEqual(RESEND_AFTER_MS + 30_000);
  });

  test("does not believe that a peer has what was never sent, nor what a later life sent", () => {
    const core = outbox();
    core.step({ kind: "linked" }, 0);
    core.step({ kind: "watermarks", reports: [report(0)] }, 0);
    core.step({ kind: "batch", batch: sent(1) }, 0);
    core.step({ kind: "batch", batch: sent(2, { held: true }) }, 0);
    expect(told(core.step({ kind: "ack", reports: [report(2)] }, 1))).toEqual(["never-sent"]);
    expect(told(core.step({ kind: "ack", reports: [report(1, 100, 6)] }, 1))).toEqual(["later-epoch"]);
    expect(core.queuedCount).toBe(2);
  });

  test("keeps back what a handler sent until its commit, and everything behind it", () => {
    const core = outbox();
    core.step({ kind: "linked" }, 0);
    core.step({ kind: "watermarks", reports: [report(0)] }, 0);
    const held = sent(1, { held: true });
    expect(told(core.step({ kind: "batch", batch: held }, 0))).toEqual([]);
    expect(told(core.step({ kind: "batch", batch: sent(2) }, 0))).toEqual([]);
    held.held = false;
    expect(told(core.step({ kind: "released" }, 0))).toEqual(["transmit 1 after 0.0", "transmit 2 after 5.1"]);
  });

  test("lets go of what expired before it left, never of what may have arrived", () => {
    const core = outbox();
    core.step({ kind: "batch", batch: sent(1, { expiresAtMs: 10, transmitted: true, epoch: 4 }) }, 0);
    core.step({ kind: "batch", batch: sent(1, { expiresAtMs: 10 }) }, 0);
    core.step({ kind: "batch", batch: sent(2) }, 0);
    expect(core.wakeAtMs).toBe(10);
    core.step({ kind: "batch", batch: sent(3, { expiresAtMs: 10, hasRow: false }) }, 0);
    const [first, ...others] = core.step({ kind: "time" }, 10);
    expect(told([...(first ? [first] : []), ...others])).toEqual(["expired 1", "expired 3"]);
    core.step({ kind: "linked" }, 20);
    // The end of the first is not on disk yet: what is behind it waits.
    expect(told(core.step({ kind: "watermarks", reports: [report(0)] }, 20))).toEqual(["transmit 1 after 0.0"]);
    expect(core.queuedCount).toBe(3);
    const dying = first?.kind === "expired" ? first.batch : sent(1);
    expect(told(core.step({ kind: "buried", batch: dying }, 30))).toEqual(["transmit 2 after 4.1"]);
    expect(core.queuedCount).toBe(2);
  });

  test("a critical message overtakes everything that has not left", () => {
    const core = outbox();
    for (const lane of [3, 2, 1]) core.step({ kind: "batch", batch: sent(lane, { lane }) }, 0);
    core.step({ kind: "batch", batch: sent(9, { lane: 0 }) }, 0);
    core.step({ kind: "linked" }, 0);
    const reports = [0, 1, 2, 3].map((lane) => ({ ...report(0), lane }));
    const [first] = told(core.step({ kind: "watermarks", reports }, 0));
    expect(first).toBe("transmit 9 after 0.0");
  });
});

describe("the inbox of a sender", () => {
  const context = { nowMs: 0, roomBytes: Infinity };

  test("takes in order, knows duplicates, asks once for what is missing", () => {
    const core = new InboxCore<InboxBatch>(LANE_BYTES);
    expect(core.offer(received(1, { count: 3 }), START, context)).toBe("taken");
    expect(core.offer(received(1, { count: 3 }), START, context)).toBe("duplicate");
    expect(core.offer(received(5), { epoch: 5, sequence: 4 }, context)).toBe("gap");
    expect(core.offer(received(6), { epoch: 5, sequence: 5 }, context)).toBe("gap-known");
    expect(core.offer(received(4), { epoch: 5, sequence: 3 }, context)).toBe("taken");
    // What lies between `after` and the batch is owed by nobody.
    expect(core.offer(received(9), { epoch: 5, sequence: 4 }, context)).toBe("taken");
    expect(core.offer(received(100, { epoch: 4 }), START, context)).toBe("duplicate");
    expect(core.offer(received(1, { epoch: 7 }), { epoch: 5, sequence: 10 }, context)).toBe("gap");
    expect(core.offer(received(1, { epoch: 7 }), { epoch: 5, sequence: 9 }, context)).toBe("taken");
    expect(core.lane(2).received).toEqual({ epoch: 7, sequence: 1 });
    // Whoever cuts its batches differently the second time: only the new messages count.
    const overlapping = received(1, { epoch: 7, count: 3 });
    expect(core.offer(overlapping, START, context)).toBe("taken");
    expect(overlapping.next).toBe(1);
  });

  test("takes no more than its window, but one batch of any size, and tells when there is room again", () => {
    const core = new InboxCore<InboxBatch>(LANE_BYTES);
    const large = received(1, { byteLength: 5000 });
    expect(core.offer(large, START, context)).toBe("taken");
    expect(core.offer(received(2), { epoch: 5, sequence: 1 }, context)).toBe("full");
    const snapshot = core.snapshot(2);
    expect(snapshot).toMatchObject({ needs: 2, received: { epoch: 5, sequence: 1 }, processed: START });
    core.settle(2, { received: { epoch: 5, sequence: 1 }, processed: START });
    expect(core.report(2)).toEqual({ lane: 2, position: { epoch: 5, sequence: 1 }, windowBytes: 0 });
    expect(core.owesWindow(2)).toBe(false);
    expect(core.next(0)).toBe(large);
    expect(core.next(0)).toBeUndefined();
    expect(core.handled(large, 1)).toBe(true);
    expect(core.owesWindow(2)).toBe(true);
    expect(core.report(2).windowBytes).toBe(LANE_BYTES);
    expect(core.owesWindow(2)).toBe(false);
    expect(core.offer(received(2), { epoch: 5, sequence: 1 }, { nowMs: 0, roomBytes: 50 })).toBe("full");
  });

  test("delivers again in place, half as late or twice as late, and gives up after five times", () => {
    const core = new InboxCore<InboxBatch>(LANE_BYTES);
    const batch = received(1, { count: 2 });
    core.offer(batch, START, context);
    const waits: number[] = [];
    let nowMs = 0;
    for (let verdict = "retry"; verdict === "retry";) {
      expect(core.next(nowMs)).toBe(batch);
      verdict = core.failed(batch, nowMs, 0.5);
      if (verdict !== "retry") break;
      expect(core.next(nowMs)).toBeUndefined();
      waits.push(core.wakeAtMs - nowMs);
      nowMs = core.wakeAtMs;
    }
    expect(waits).toEqual([100, 200, 400, 800]);
    expect(core.handled(batch, 1)).toBe(false);
    expect(core.next(nowMs)).toBe(batch);
    expect(core.failed(batch, nowMs, 0)).toBe("retry");
    expect(core.handled(batch, 2)).toBe(true);
  });

  test("of a lane that waits does not hold up the others", () => {
    const core = new InboxCore<InboxBatch>(LANE_BYTES);
    const normal = received(1);
    core.offer(normal, START, context);
    expect(core.next(0)).toBe(normal);
    const low = received(1, { lane: 3 });
    core.offer(low, START, context);
    expect(core.next(0)).toBe(low);
  });
});

/**
 * Both cores, joined by a wire that loses, doubles and reorders, with lives of the sender that forget what was not
 * stored: the recipient takes each message at most once, in order, and in the end everything that was stored.
 */
test("whatever the wire does, every stored message is taken once and in order", () => {
  const step = fc.constantFrom("send", "send", "volatile", "deliver", "deliver", "lose", "double", "relink", "restart");
  fc.assert(
    fc.property(fc.array(step, { maxLength: 120 }), fc.integer(), (steps, seed) => {
      const random = seededRandom(seed);
      const inbox = new InboxCore<InboxBatch>(LANE_BYTES);
      const taken: Position[] = [];
      let stored: OutboxBatch[] = [];
      let wire: { batch: OutboxBatch; after: Position }[] = [];
      let epoch = 1;
      let last = 0;
      let nowMs = 0;
      let core = new OutboxCore<OutboxBatch>({ epoch, random });
      const perform = (effects: readonly OutboxEffect<OutboxBatch>[]): void => {
        for (const effect of effects) {
          if (effect.kind === "transmit") wire.push(effect);
          if (effect.kind === "acknowledged") stored = stored.filter((batch) => batch !== effect.batch);
        }
      };
      const link = (): void => {
        wire = [];
        perform(core.step({ kind: "linked" }, nowMs));
        perform(core.step({ kind: "watermarks", reports: [inbox.report(2)] }, nowMs));
      };
      const deliver = (at: number, keep = false): void => {
        const [frame] = wire.splice(at, keep ? 0 : 1).concat(keep ? wire.slice(at, at + 1) : []);
        if (!frame) return;
        const { lane, count, byteLength, first } = frame.batch;
        const batch = {
          lane,
          count,
          byteLength,
          first,
          epoch: frame.batch.epoch,
          durability: 2,
          next: 0,
          stored: false,
        };
        const verdict = inbox.offer(batch, frame.after, { nowMs, roomBytes: Infinity });
        if (verdict === "taken") {
          for (let index = batch.next; index < count; index++)
            taken.push({ epoch: batch.epoch, sequence: first + index });
          const snapshot = inbox.snapshot(2);
          if (snapshot) inbox.settle(2, snapshot);
          inbox.next(nowMs);
          inbox.handled(batch, count);
        }
        const kind = verdict === "gap" ? "gap" : "ack";
        if (verdict !== "gap-known") perform(core.step({ kind, reports: [inbox.report(2)] }, nowMs));
      };
      const all: OutboxBatch[] = [];
      const act = (name: string): void => {
        nowMs += Math.floor(random.next() * 50);
        const at = Math.floor(random.next() * wire.length);
        if (name === "send" || name === "volatile") {
          const count = 1 + Math.floor(random.next() * 3);
          const batch = sent(last + 1, { epoch, count });
          last += count;
          if (name === "send") {
            stored.push(batch);
            all.push(batch);
          }
          perform(core.step({ kind: "batch", batch }, nowMs));
        } else if (name === "deliver") deliver(at);
        else if (name === "double") deliver(at, true);
        else if (name === "lose") wire.splice(at, 1);
        else if (name === "relink") link();
        else {
          epoch += 1;
          last = 0;
          core = new OutboxCore<OutboxBatch>({ epoch, random });
          for (const batch of stored) {
            batch.transmitted = true;
            core.step({ kind: "batch", batch }, nowMs);
          }
          link();
        }
      };
      link();
      for (const name of steps) act(name);
      link();
      for (let count = 0; count < 2000 && core.queuedCount > 0; count++) {
        if (wire.length > 0) deliver(0);
        else perform(core.step({ kind: "time" }, (nowMs = Math.max(nowMs, core.wakeAtMs))));
      }
      expect(core.queuedCount).toBe(0);
      for (const [index, position] of taken.entries()) {
        expect(comparePositions(taken[index - 1] ?? START, position)).toBeLessThan(0);
      }
      const ends = new Set(taken.map(({ epoch: life, sequence }) => `${life}.${sequence}`));
      for (const batch of all) {
        const { epoch: life, sequence } = endOf(batch);
        expect(ends.has(`${life}.${sequence}`)).toBe(true);
      }
    }),
    tries(300),
  );
});
