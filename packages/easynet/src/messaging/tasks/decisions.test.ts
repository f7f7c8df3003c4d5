import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createId, type ErrorCode } from "../../kernel/index.ts";
import { fakeDid } from "../../testing/index.ts";
import { type AskedTask, bindingOf, lastStateOf, toDrop } from "./asked-core.ts";
import { afterBreak, type Break } from "./break-core.ts";
import { ASKED_COUNT_MAX, defaultTaskLimits } from "./limits.ts";
import { afterRestart, idTimeMs, judge, toForget } from "./table-core.ts";

const start = { start: true, cursor: 0 };

describe("a provider that is asked for a task", () => {
  const had = { digest: "d", cursorMax: 3 };
  const asked = { task: start, digest: "d", idAtMs: 1000 };

  test("begins what it does not know, once", () => {
    expect(judge(asked, undefined, -1)).toEqual({ kind: "start" });
    expect(judge(asked, had, -1)).toEqual({ kind: "attach" });
  });

  test("refuses the same id with another input, and asks for none when it is only to go on", () => {
    expect(judge({ ...asked, digest: "other" }, had, -1)).toEqual({ kind: "reused" });
    expect(judge({ ...asked, digest: "other", task: { start: false, cursor: 2 } }, had, -1)).toEqual({
      kind: "attach",
    });
  });

  test("begins nothing whose id it may have forgotten, and nothing in the middle", () => {
    expect(judge(asked, undefined, 1000)).toEqual({ kind: "forgotten" });
    expect(judge(asked, undefined, 999)).toEqual({ kind: "start" });
    expect(judge({ ...asked, task: { start: false, cursor: 0 } }, undefined, -1)).toEqual({ kind: "forgotten" });
    expect(judge({ ...asked, task: { start: true, cursor: 1 } }, undefined, -1)).toEqual({ kind: "forgotten" });
  });

  test("has no events after the last one", () => {
    expect(judge({ ...asked, task: { start: true, cursor: 4 } }, had, -1)).toEqual({ kind: "ahead" });
  });
});

test("after a restart only work that may be repeated and showed nothing runs again", () => {
  expect(afterRestart({ repeatable: true, shown: false })).toBe("again");
  for (const shown of [true, false]) expect(afterRestart({ repeatable: false, shown })).toBe("interrupted");
  expect(afterRestart({ repeatable: true, shown: true })).toBe("interrupted");
});

test("forgetting takes the oldest, until what is kept is within every limit", () => {
  const tasks = fc.array(fc.record({ endedAtMs: fc.nat(1000), bytes: fc.nat(100) }), { maxLength: 30 });
  fc.assert(
    fc.property(tasks, fc.nat(20), fc.nat(1000), (list, keptCountMax, keptBytesMax) => {
      const oldest = list.map((task, index) => ({ ...task, key: String(index) }));
      oldest.sort((one, other) => one.endedAtMs - other.endedAtMs);
      const bytes = oldest.reduce((sum, task) => sum + task.bytes, 0);
      const limits = { ...defaultTaskLimits, keptMs: 500, keptCountMax, keptBytesMax, nowMs: 1000 };
      const keys = toForget(oldest, { count: oldest.length, bytes }, limits);
      expect(keys).toEqual(oldest.slice(0, keys.length).map(({ key }) => key));
      const left = oldest.slice(keys.length);
      const leftBytes = left.reduce((sum, task) => sum + task.bytes, 0);
      expect(left.every(({ endedAtMs }) => endedAtMs > 500)).toBe(true);
      expect(left.length === 0 || (left.length < keptCountMax && leftBytes < keptBytesMax)).toBe(true);
    }),
  );
});

test("the time in an id is read from a UUIDv7 and from nothing else", () => {
  expect(idTimeMs(createId(1_700_000_000_123))).toBe(1_700_000_000_123);
  for (const id of ["order-4711", "0190a1b2-0000-4000-8000-000000000001", ""]) expect(idTimeMs(id)).toBeUndefined();
});

describe("a caller whose exchange broke off", () => {
  const broken: Break = {
    code: "PROVIDER_LOST",
    refused: false,
    accepted: false,
    sentBefore: false,
    movable: false,
    others: true,
  };

  test.each(["PROVIDER_LOST", "LINK_CLOSED", "NODE_STOPPING"] satisfies ErrorCode[])(
    "asks the same provider again after %s",
    (code) => {
      expect(afterBreak({ ...broken, code })).toBe("again");
      expect(afterBreak({ ...broken, code, accepted: true })).toBe("again");
    },
  );

  test("may go elsewhere when nothing was sent, or when the provider says that it does not have it", () => {
    for (const code of ["PEER_UNREACHABLE", "BACKPRESSURE", "OVERLOADED"] as const) {
      expect(afterBreak({ ...broken, code })).toBe("end");
      expect(afterBreak({ ...broken, code, sentBefore: true })).toBe("again");
      expect(afterBreak({ ...broken, code, sentBefore: true, refused: true })).toBe("end");
    }
  });

  test("takes repeatable work elsewhere only when there is an elsewhere", () => {
    expect(afterBreak({ ...broken, movable: true })).toBe("end");
    expect(afterBreak({ ...broken, movable: true, others: false })).toBe("again");
  });

  test("takes every other error for the answer", () => {
    for (const code of ["INPUT_INVALID", "TASK_FORGOTTEN", "DEADLINE_EXCEEDED", "INTERNAL"] as const) {
      expect(afterBreak({ ...broken, code, accepted: true })).toBe("end");
    }
  });

  test("never takes work with effects elsewhere while a provider may have it", () => {
    const codes = fc.constantFrom<ErrorCode>(
      "PROVIDER_LOST",
      "LINK_CLOSED",
      "NODE_STOPPING",
      "PEER_UNREACHABLE",
      "OVERLOADED",
    );
    const never = (): void =>
      fc.assert(
        fc.property(codes, fc.boolean(), fc.boolean(), (code, accepted, sentBefore) => {
          const mayHaveIt = accepted || sentBefore || code === "PROVIDER_LOST";
          fc.pre(mayHaveIt);
          return afterBreak({ ...broken, code, accepted, sentBefore }) === "again";
        }),
      );
    expect(never).not.toThrow();
  });
});

describe("what a caller remembers of a task", () => {
  const task: AskedTask = {
    id: "1",
    node: fakeDid(2),
    nodeName: "two",
    agent: "",
    agentName: "",
    capability: "work",
    digest: "d",
    createdAtMs: 0,
    durability: "disk",
    accepted: true,
    cancelling: false,
    end: undefined,
  };

  test("is its provider, for the same input", () => {
    expect(bindingOf(undefined, "d")).toEqual({ kind: "new" });
    expect(bindingOf(task, "d")).toEqual({ kind: "bound", task });
    expect(() => bindingOf(task, "e")).toThrow(expect.objectContaining({ code: "TASK_ID_REUSED" }));
  });

  test("is dropped some time after its end; open ones only when their provider has forgotten them too", () => {
    const dayMs = 86_400_000;
    const kept = new Map([
      ["1", { ...task, end: { atMs: 10, code: "" } }],
      ["2", { ...task, id: "2" }],
    ]);
    expect(toDrop(kept, { nowMs: 100, keptMs: 91 })).toEqual([]);
    expect(toDrop(kept, { nowMs: 101, keptMs: 91 })).toEqual(["1"]);
    expect(toDrop(kept, { nowMs: dayMs + 91, keptMs: 91 })).toEqual(["1", "2"]);
  });

  test("is bounded: the oldest that ended goes, and when none has, no new one is taken", () => {
    const many = new Map(
      Array.from({ length: ASKED_COUNT_MAX }, (_, index) => [String(index), { ...task, id: String(index) }]),
    );
    const at = { nowMs: 100, keptMs: 1000 };
    expect(() => toDrop(many, at)).toThrow(expect.objectContaining({ code: "OVERLOADED" }));
    many.set("7", { ...task, id: "7", end: { atMs: 90, code: "" } });
    expect(toDrop(many, at)).toEqual(["7"]);
  });

  test("tells the last state that was heard of", () => {
    expect(lastStateOf({ accepted: false, end: undefined })).toBe("submitted");
    expect(lastStateOf({ accepted: true, end: undefined })).toBe("working");
    for (const [code, state] of [
      ["", "completed"],
      ["CANCELLED", "canceled"],
      ["TASK_INTERRUPTED", "failed"],
    ] as const) {
      expect(lastStateOf({ accepted: true, end: { atMs: 1, code } })).toBe(state);
    }
  });
});
