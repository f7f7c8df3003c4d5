import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Admission, AGING_MS_PER_RANK, createLane, type Lane, type Ticket } from "./admission-core.ts";

const lane = (concurrency = 100): Lane<string> => createLane<string>(concurrency);

describe("Admission", () => {
  test("starts up to its slots, queues up to its limit, then refuses", () => {
    const admission = new Admission<string>({ slots: 2, queueCountMax: 1 });
    const only = lane();
    const kinds = ["a", "b", "c", "d"].map((item) => admission.enter({ lane: only, item, rank: 2 }, 0).kind);
    expect(kinds).toEqual(["started", "started", "queued", "refused"]);
    expect(admission.leave(only)).toEqual(["c"]);
    expect([admission.running, admission.queued]).toEqual([2, 0]);
  });

  test("the more urgent goes first, equals in order of arrival", () => {
    const admission = new Admission<string>({ slots: 1, queueCountMax: 10 });
    const only = lane();
    admission.enter({ lane: only, item: "first", rank: 2 }, 0);
    const arrivals = ["low 3", "normal 2", "high 1", "critical 0", "critical' 0", "normal' 2"];
    for (const arrival of arrivals) {
      const [item = "", rank] = arrival.split(" ");
      admission.enter({ lane: only, item, rank: Number(rank) }, 1);
    }
    const started = arrivals.flatMap(() => admission.leave(only));
    expect(started).toEqual(["critical", "critical'", "high", "normal", "normal'", "low"]);
  });

  test("a low task is overtaken by new critical ones only until it has waited three ranks' worth", () => {
    const admission = new Admission<string>({ slots: 1, queueCountMax: 10 });
    const only = lane();
    admission.enter({ lane: only, item: "running", rank: 0 }, 0);
    admission.enter({ lane: only, item: "low", rank: 3 }, 0);
    admission.enter({ lane: only, item: "before", rank: 0 }, 3 * AGING_MS_PER_RANK - 1);
    admission.enter({ lane: only, item: "after", rank: 0 }, 3 * AGING_MS_PER_RANK + 1);
    expect([0, 0, 0].flatMap(() => admission.leave(only))).toEqual(["before", "low", "after"]);
  });

  test("of two that have become equally urgent, the one that came first goes first", () => {
    const admission = new Admission<string>({ slots: 1, queueCountMax: 10 });
    const lanes = [lane(), lane()];
    admission.enter({ lane: lanes[0]!, item: "running", rank: 0 }, 0);
    admission.enter({ lane: lanes[1]!, item: "high, early", rank: 1 }, 0);
    admission.enter({ lane: lanes[0]!, item: "critical, late", rank: 0 }, AGING_MS_PER_RANK);
    expect(admission.leave(lanes[0]!)).toEqual(["high, early"]);
  });

  test("a lane at its limit holds only its own tasks back", () => {
    const admission = new Admission<string>({ slots: 10, queueCountMax: 10 });
    const [narrow, wide] = [lane(1), lane()];
    admission.enter({ lane: narrow, item: "n1", rank: 0 }, 0);
    expect(admission.enter({ lane: narrow, item: "n2", rank: 0 }, 0).kind).toBe("queued");
    expect(admission.enter({ lane: wide, item: "w", rank: 3 }, 0).kind).toBe("started");
    expect(admission.leave(wide)).toEqual([]);
    expect(admission.leave(narrow)).toEqual(["n2"]);
  });

  test("a task that gave up is never started, and gives up only once", () => {
    const admission = new Admission<string>({ slots: 1, queueCountMax: 10 });
    const only = lane();
    admission.enter({ lane: only, item: "a", rank: 0 }, 0);
    const verdict = admission.enter({ lane: only, item: "b", rank: 0 }, 0);
    const tickets = verdict.kind === "queued" ? [verdict.ticket, verdict.ticket] : [];
    expect(tickets.map((ticket) => admission.withdraw(ticket))).toEqual([true, false]);
    expect(admission.leave(only)).toEqual([]);
    expect([admission.running, admission.queued]).toEqual([0, 0]);
  });
});

const SLOTS = 4;
const QUEUE_COUNT_MAX = 6;
const CONCURRENCIES = [1, 2, 10];

const action = fc.oneof(
  fc.record({
    kind: fc.constant("enter" as const),
    lane: fc.nat(CONCURRENCIES.length - 1),
    rank: fc.nat(3),
    waitMs: fc.constantFrom(0, 1, AGING_MS_PER_RANK / 2, AGING_MS_PER_RANK, 4 * AGING_MS_PER_RANK),
  }),
  fc.record({ kind: fc.constant("leave" as const), index: fc.nat(SLOTS) }),
  fc.record({ kind: fc.constant("withdraw" as const), index: fc.nat(QUEUE_COUNT_MAX) }),
);
type Action = typeof action extends fc.Arbitrary<infer Value> ? Value : never;

interface ModelTask {
  readonly lane: number;
  readonly item: string;
  readonly key: number;
}

/** What the admission should be, written as plainly as possible: lists, sorted and searched each time. */
class Model {
  running: ModelTask[] = [];
  /** In order of arrival. */
  waiting: ModelTask[] = [];

  enter(task: ModelTask): string {
    if (this.#hasRoom(task)) return this.#start(task);
    if (this.waiting.length >= QUEUE_COUNT_MAX) return "refused";
    this.waiting.push(task);
    return "queued";
  }

  /** The names of those that start now. */
  leave(task: ModelTask): string[] {
    this.running = this.running.filter((each) => each !== task);
    const started: string[] = [];
    for (;;) {
      const [next] = this.waiting.filter((each) => this.#hasRoom(each)).sort((left, right) => left.key - right.key);
      if (!next) return started;
      this.waiting = this.waiting.filter((each) => each !== next);
      this.#start(next);
      started.push(next.item);
    }
  }

  #hasRoom(task: ModelTask): boolean {
    const ofLane = this.running.filter((each) => each.lane === task.lane).length;
    return this.running.length < SLOTS && ofLane < (CONCURRENCIES[task.lane] ?? 0);
  }

  #start(task: ModelTask): string {
    this.running.push(task);
    return "started";
  }
}

/** The admission and its model, given the same actions; each returns what the two answered. */
class Twins {
  readonly model = new Model();
  readonly admission = new Admission<string>({ slots: SLOTS, queueCountMax: QUEUE_COUNT_MAX });
  readonly #lanes = CONCURRENCIES.map((concurrency) => createLane<string>(concurrency));
  readonly #tickets = new Map<string, Ticket<string>>();
  #nowMs = 0;
  #count = 0;

  apply(each: Action): { readonly actual: unknown; readonly expected: unknown } {
    if (each.kind === "enter") return this.#enter(each);
    const tasks = each.kind === "leave" ? this.model.running : this.model.waiting;
    const task = tasks[each.index % Math.max(1, tasks.length)];
    if (!task) return { actual: [], expected: [] };
    return each.kind === "leave" ? this.leave(task) : this.#withdraw(task);
  }

  leave(task: ModelTask): { readonly actual: unknown; readonly expected: unknown } {
    return { actual: this.admission.leave(this.#lanes[task.lane]!), expected: this.model.leave(task) };
  }

  #enter({ lane: index, rank, waitMs }: Extract<Action, { kind: "enter" }>) {
    this.#nowMs += waitMs;
    const task = { lane: index, item: `t${this.#count++}`, key: this.#nowMs + rank * AGING_MS_PER_RANK };
    const verdict = this.admission.enter({ lane: this.#lanes[index]!, item: task.item, rank }, this.#nowMs);
    if (verdict.kind === "queued") this.#tickets.set(task.item, verdict.ticket);
    return { actual: verdict.kind, expected: this.model.enter(task) };
  }

  #withdraw(task: ModelTask) {
    this.model.waiting = this.model.waiting.filter((each) => each !== task);
    const ticket = this.#tickets.get(task.item)!;
    return { actual: [this.admission.withdraw(ticket), this.admission.withdraw(ticket)], expected: [true, false] };
  }
}

test("property: as a plain model does: never more than the slots, in order of urgency, no task lost or started twice", () => {
  fc.assert(
    fc.property(fc.array(action, { maxLength: 200 }), (actions) => {
      const twins = new Twins();
      const { model, admission } = twins;
      for (const each of actions) {
        const { actual, expected } = twins.apply(each);
        expect(actual).toEqual(expected);
        expect([admission.running, admission.queued]).toEqual([model.running.length, model.waiting.length]);
        expect(admission.running).toBeLessThanOrEqual(SLOTS);
      }
      for (let [task] = model.running; task; [task] = model.running) {
        const { actual, expected } = twins.leave(task);
        expect(actual).toEqual(expected);
      }
      expect([admission.running, admission.queued, model.waiting.length]).toEqual([0, 0, 0]);
    }),
  );
});
