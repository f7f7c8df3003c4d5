import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { type Agent, type Misbehaviour, oneEnd, type TaskContext } from "../../agents/index.ts";
import { type Clock, EasynetError, isErrorCode } from "../../kernel/index.ts";
import type { AgentEvent, TaskInput } from "../../model/index.ts";
import { fakeTaskContext } from "../fake-agent.ts";
import { VirtualClock } from "../virtual-clock.ts";

/** A task that the agent of a harness takes. */
export interface ContractTask {
  readonly capability: string;
  readonly input: TaskInput;
}

/** What a driver gives the suite. */
export interface AgentHarness {
  /** A new agent that tells time by `clock`, if it needs time at all. */
  readonly open: (clock: Clock) => Agent | Promise<Agent>;
  /** Ends with this final value. */
  readonly answers: ContractTask & { readonly value: unknown };
  /** Ends with an error of this code. */
  readonly fails: ContractTask & { readonly code: string };
  /** Does not end by itself while the suite looks. */
  readonly lasts: ContractTask;
}

/** One promise of the Agent contract; independent of the test runner. */
export interface AgentCase {
  readonly name: string;
  readonly run: (harness: AgentHarness) => Promise<void>;
}

/** A stopped agent must have ended by then, in ms of the clock: the guard's own limit. */
const STOP_MS_MAX = 1000;

/** Every promise of the Agent contract: `test.for(agentContract)("$name", (each) => each.run(harness))`. */
export const agentContract: readonly AgentCase[] = [
  {
    name: "a task ends with exactly one final event that holds the value, and nothing after it",
    async run(harness) {
      await using opened = await open(harness);
      const events = await allOf(opened.execute(harness.answers));
      deepStrictEqual(events.filter(isEnd).length, 1);
      const last = events.at(-1);
      ok(last?.type === "final", `the last event is ${last?.type ?? "missing"}`);
      deepStrictEqual(last.value, harness.answers.value);
    },
  },
  {
    name: "a failed task ends with exactly one error event in wire form; nothing is thrown",
    async run(harness) {
      await using opened = await open(harness);
      const events = await allOf(opened.execute(harness.fails));
      strictEqual(events.filter(isEnd).length, 1);
      const last = events.at(-1);
      ok(last?.type === "error", `the last event is ${last?.type ?? "missing"}`);
      strictEqual(last.error.code, harness.fails.code);
      ok(isErrorCode(last.error.code), "its code is in the table");
      ok(last.error.message.length > 0);
      deepStrictEqual(structuredClone(last.error), last.error, "plain data only");
    },
  },
  {
    name: "an abort ends a running task with the signal's reason, within the grace",
    async run(harness) {
      await using opened = await open(harness);
      const controller = new AbortController();
      const { events, misbehaviours } = opened.guarded(harness.lasts, controller.signal);
      const ended = allOf(events);
      await opened.clock.advanceAsync(1);
      controller.abort(new EasynetError("DEADLINE_EXCEEDED", { subject: "the contract", timeoutMs: 1 }));
      await opened.clock.advanceAsync(STOP_MS_MAX);
      const last = (await ended).at(-1);
      ok(last?.type === "error" && last.error.code === "DEADLINE_EXCEEDED", `it ended with ${last?.type ?? "nothing"}`);
      ok(!misbehaviours.includes("event-after-end"));
    },
  },
  {
    name: "a task whose signal has aborted already ends with that reason",
    async run(harness) {
      await using opened = await open(harness);
      const signal = AbortSignal.abort(new EasynetError("CANCELLED", { subject: "the contract" }));
      const events = await allOf(opened.guarded(harness.answers, signal).events);
      strictEqual(events.length, 1);
      ok(events[0]?.type === "error" && events[0].error.code === "CANCELLED");
    },
  },
  {
    name: "nothing happens before the first pull, and a consumer may leave at once",
    async run(harness) {
      await using opened = await open(harness);
      const untouched = opened.execute(harness.answers)[Symbol.asyncIterator]();
      await untouched.return?.();
      const { events } = opened.guarded(harness.lasts);
      const iterator = events[Symbol.asyncIterator]();
      const pending = iterator.next();
      await iterator.return?.();
      await opened.clock.advanceAsync(STOP_MS_MAX);
      await pending;
      strictEqual((await iterator.next()).done, true);
    },
  },
  {
    name: "the input is not changed",
    async run(harness) {
      await using opened = await open(harness);
      const { input } = harness.answers;
      const before = structuredClone(input);
      await allOf(opened.execute({ ...harness.answers, input: deepFrozen(input) }));
      deepStrictEqual(input, before);
    },
  },
  {
    name: "tasks at the same time do not disturb one another",
    async run(harness) {
      await using opened = await open(harness);
      const runs = await Promise.all(
        [harness.answers, harness.fails, harness.answers].map((task) => allOf(opened.execute(task))),
      );
      deepStrictEqual(
        runs.map((events) => events.at(-1)?.type),
        ["final", "error", "final"],
      );
    },
  },
  {
    name: "an unknown capability is an error event",
    async run(harness) {
      await using opened = await open(harness);
      const task = { capability: "no-such-capability", input: { args: [], kwargs: {} } };
      const events = await allOf(opened.execute(task));
      deepStrictEqual(
        events.map((event) => event.type),
        ["error"],
      );
    },
  },
];

interface Opened extends AsyncDisposable {
  readonly clock: VirtualClock;
  execute(task: ContractTask): AsyncIterable<AgentEvent>;
  guarded(
    task: ContractTask,
    signal?: AbortSignal,
  ): { readonly events: AsyncIterable<AgentEvent>; readonly misbehaviours: readonly Misbehaviour[] };
}

async function open(harness: AgentHarness): Promise<Opened> {
  const clock = new VirtualClock();
  const agent = await harness.open(clock);
  const execute = (task: ContractTask, overrides: Partial<TaskContext> = {}): AsyncIterable<AgentEvent> => {
    const { capability, input } = task;
    return agent.execute({ id: "task-1", capability, input }, fakeTaskContext(clock, overrides));
  };
  return {
    clock,
    execute,
    guarded(task, signal = new AbortController().signal) {
      const misbehaviours: Misbehaviour[] = [];
      const onMisbehaviour = (kind: Misbehaviour): void => void misbehaviours.push(kind);
      const options = { clock, subject: task.capability, signal, onMisbehaviour };
      return { events: oneEnd(execute(task, { signal }), options), misbehaviours };
    },
    [Symbol.asyncDispose]: async () => agent.close?.(),
  };
}

async function allOf(events: AsyncIterable<AgentEvent>): Promise<AgentEvent[]> {
  const all: AgentEvent[] = [];
  for await (const event of events) all.push(event);
  return all;
}

function isEnd(event: AgentEvent): boolean {
  return event.type === "final" || event.type === "error";
}

function deepFrozen<Value>(value: Value): Value {
  if (typeof value === "object" && value !== null && !ArrayBuffer.isView(value)) {
    for (const item of Object.values(value)) deepFrozen(item);
    Object.freeze(value);
  }
  return value;
}
