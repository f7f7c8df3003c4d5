import { getEventListeners } from "node:events";
import { describe, expect, test } from "vitest";
import { EasynetError } from "../kernel/index.ts";
import type { AgentEvent } from "../model/index.ts";
import { VirtualClock } from "../testing/virtual-clock.ts";
import { type Misbehaviour, oneEnd, STOP_GRACE_MS } from "./one-end.ts";

const delta: AgentEvent = { type: "delta", text: "x" };
const final: AgentEvent = { type: "final", value: 1, stop: "end" };
const late = new EasynetError("DEADLINE_EXCEEDED", { subject: "work", timeoutMs: 5 });
const never = new Promise<never>(() => undefined);

function guard(events: AsyncIterable<AgentEvent>, signal?: AbortSignal) {
  const clock = new VirtualClock();
  const misbehaviours: Misbehaviour[] = [];
  const onMisbehaviour = (kind: Misbehaviour): void => void misbehaviours.push(kind);
  const guarded = oneEnd(events, { clock, subject: "work", signal, onMisbehaviour });
  return { clock, misbehaviours, iterator: guarded[Symbol.asyncIterator](), guarded };
}

async function allOf(events: AsyncIterable<AgentEvent>): Promise<string[]> {
  const types: string[] = [];
  for await (const event of events) {
    types.push(
      event.type === "error" ? `error ${event.error.code} ${String(event.error.details["name"])}` : event.type,
    );
  }
  return types;
}

async function* streamOf(...all: readonly AgentEvent[]): AsyncGenerator<AgentEvent> {
  for (const event of all) yield await Promise.resolve(event);
}

async function turn(): Promise<void> {
  await new Promise((resolve) => {
    setImmediate(resolve);
  });
}

describe("oneEnd", () => {
  test("passes a well-behaved stream on", async () => {
    const { guarded, misbehaviours } = guard(streamOf(delta, delta, final));
    expect(await allOf(guarded)).toEqual(["delta", "delta", "final"]);
    expect(misbehaviours).toEqual([]);
  });

  test("a missing end becomes an error", async () => {
    const { guarded, misbehaviours } = guard(streamOf(delta));
    expect(await allOf(guarded)).toEqual(["delta", "error FUNCTION_FAILED MissingEnd"]);
    expect(misbehaviours).toEqual(["end-missing"]);
  });

  test("events after the end are dropped and counted, a flood of them only up to a limit", async () => {
    let made = 0;
    const flood = async function* (): AsyncGenerator<AgentEvent> {
      yield await Promise.resolve(final);
      for (;;) {
        made++;
        yield delta;
      }
    };
    const { guarded, misbehaviours } = guard(flood());
    expect(await allOf(guarded)).toEqual(["final"]);
    await turn();
    const seen = made;
    expect(misbehaviours.length).toBe(seen);
    expect(misbehaviours.length).toBeGreaterThan(0);
    await turn();
    expect(made).toBe(seen);
  });

  test("a second end is an event after the end", async () => {
    const { guarded, misbehaviours } = guard(streamOf(final, { type: "final", value: 2, stop: "end" }));
    expect(await allOf(guarded)).toEqual(["final"]);
    await turn();
    expect(misbehaviours).toEqual(["event-after-end"]);
  });

  test("what an agent throws becomes an error event, also before the first event", async () => {
    const broken = async function* (): AsyncGenerator<AgentEvent> {
      yield await Promise.resolve(delta);
      throw new RangeError("out");
    };
    expect(await allOf(guard(broken()).guarded)).toEqual(["delta", "error FUNCTION_FAILED RangeError"]);
    const worse: AsyncIterable<AgentEvent> = {
      [Symbol.asyncIterator]() {
        throw new TypeError("no iterator");
      },
    };
    expect(await allOf(guard(worse).guarded)).toEqual(["error FUNCTION_FAILED TypeError"]);
  });

  test("something that is no event ends the stream", async () => {
    const odd: AsyncIterable<AgentEvent> = {
      async *[Symbol.asyncIterator]() {
        yield await Promise.resolve(JSON.parse('{"type": "nonsense"}'));
        yield final;
      },
    };
    const { guarded, misbehaviours } = guard(odd);
    expect(await allOf(guarded)).toEqual(["error FUNCTION_FAILED MalformedEvent"]);
    expect(misbehaviours).toEqual(["event-malformed"]);
  });

  test("a hung agent ends with the reason of the abort when the grace is over, not before", async () => {
    const controller = new AbortController();
    const hung = async function* (): AsyncGenerator<AgentEvent> {
      yield await never;
    };
    const { iterator, clock, misbehaviours } = guard(hung(), controller.signal);
    let ended: unknown;
    const pending = iterator.next().then((step) => (ended = step.value));
    controller.abort(late);
    await clock.advanceAsync(STOP_GRACE_MS - 1);
    expect(ended).toBeUndefined();
    await clock.advanceAsync(1);
    await pending;
    expect(ended).toMatchObject({ type: "error", error: { code: "DEADLINE_EXCEEDED" } });
    expect(misbehaviours).toEqual(["hung"]);
    expect((await iterator.next()).done).toBe(true);
  });

  test("an agent that ends when aborted needs no grace; the reason counts, not what it says", async () => {
    const controller = new AbortController();
    const polite = async function* (): AsyncGenerator<AgentEvent> {
      await new Promise((resolve) => {
        controller.signal.addEventListener("abort", resolve, { once: true });
      });
      yield { type: "usage", money: 1, basis: "reported" };
      yield final;
    };
    const { guarded, clock, misbehaviours } = guard(polite(), controller.signal);
    const all = allOf(guarded);
    await turn();
    controller.abort(late);
    expect(await all).toEqual(["usage", "error DEADLINE_EXCEEDED undefined"]);
    expect(clock.pendingCount).toBe(0);
    expect(misbehaviours).toEqual([]);
  });

  test("after an abort at most the one event on its way still passes", async () => {
    const controller = new AbortController();
    const deaf = async function* (): AsyncGenerator<AgentEvent> {
      for (;;) {
        await turn();
        yield delta;
      }
    };
    const { guarded } = guard(deaf(), controller.signal);
    const all = allOf(guarded);
    controller.abort(late);
    expect(await all).toEqual(["delta", "error DEADLINE_EXCEEDED undefined"]);
  });

  test("an abort while nobody pulls ends at once and closes the agent; its finally block runs", async () => {
    const controller = new AbortController();
    let cleaned = false;
    const endless = async function* (): AsyncGenerator<AgentEvent> {
      try {
        for (;;) yield await Promise.resolve(delta);
      } finally {
        cleaned = true;
      }
    };
    const { iterator } = guard(endless(), controller.signal);
    await iterator.next();
    controller.abort(late);
    await turn();
    expect(cleaned).toBe(true);
    expect((await iterator.next()).value).toMatchObject({ error: { code: "DEADLINE_EXCEEDED" } });
    expect((await iterator.next()).done).toBe(true);
  });

  test("an abort with a reason of another kind is a cancellation", async () => {
    const { guarded } = guard(streamOf(final), AbortSignal.abort("enough"));
    expect(await allOf(guarded)).toEqual(["error CANCELLED undefined"]);
  });

  test("an endless stream leaves the event loop its turns", async () => {
    const endless = async function* (): AsyncGenerator<AgentEvent> {
      for (;;) yield await Promise.resolve(delta);
    };
    const { iterator } = guard(endless());
    const countAtTurn = new Promise<number>((resolve) => {
      setImmediate(() => resolve(count));
    });
    let count = 0;
    while (count < 10_000) {
      await iterator.next();
      count++;
    }
    expect(await countAtTurn).toBeLessThan(1000);
    await iterator.return?.();
  });

  test("two pulls at once are refused, the stream goes on", async () => {
    const { iterator } = guard(streamOf(delta, final));
    const first = iterator.next();
    await expect(iterator.next()).rejects.toMatchObject({ code: "INTERNAL" });
    expect((await first).value).toEqual(delta);
    expect((await iterator.next()).value).toEqual(final);
  });

  test("takes its listener off the caller's signal at the end", async () => {
    const { signal } = new AbortController();
    const { iterator } = guard(streamOf(final), signal);
    expect(getEventListeners(signal, "abort")).toHaveLength(1);
    await iterator.next();
    expect(getEventListeners(signal, "abort")).toHaveLength(0);
  });
});
