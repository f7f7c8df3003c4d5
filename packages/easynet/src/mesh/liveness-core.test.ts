import { describe, expect, test } from "vitest";
import { Liveness } from "./liveness-core.ts";

const INTERVAL_MS = 2000;

function start(): Liveness {
  return new Liveness({ intervalMs: INTERVAL_MS, missedMax: 3, nowMs: 0 });
}

describe("liveness of a link", () => {
  test("a peer that says nothing is dead after three whole intervals", () => {
    const liveness = start();
    const verdicts = [1, 2, 3, 4].map((turn) => liveness.tick(turn * INTERVAL_MS));
    expect(verdicts).toEqual(["alive", "alive", "alive", "dead"]);
  });

  test("any byte counts, and the count starts anew", () => {
    const liveness = start();
    for (let turn = 1; turn <= 20; turn++) {
      if (turn % 3 === 0) liveness.heard();
      expect(liveness.tick(turn * INTERVAL_MS)).toBe("alive");
    }
  });

  test("an interval that our own event loop slept through is not held against the peer", () => {
    const liveness = start();
    let nowMs = 0;
    for (let turn = 0; turn < 20; turn++) {
      nowMs += INTERVAL_MS * 10;
      expect(liveness.tick(nowMs)).toBe("alive");
    }
    expect(liveness.missedCount).toBe(0);
    const verdicts = [1, 2, 3].map((turn) => liveness.tick(nowMs + turn * INTERVAL_MS));
    expect(verdicts).toEqual(["alive", "alive", "dead"]);
  });

  test("the round trip is that of the last ping; other answers are ignored", () => {
    const liveness = start();
    const first = liveness.ping(100);
    const second = liveness.ping(200);
    expect(liveness.pong(first, 205)).toBeUndefined();
    expect(liveness.pong(second, 205)).toBe(5);
  });
});
