import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { tries } from "../../../../../test/quick.ts";
import { EasynetError } from "../../kernel/index.ts";
import type { AgentEvent } from "../../model/index.ts";
import { countingWorld, itemsOf } from "../../testing/task-world.ts";

const final = (value: unknown): AgentEvent => ({ type: "final", value, stop: "end" });
const range = (count: number): number[] => Array.from({ length: count }, (_, index) => index + 1);
const types = (events: readonly { readonly type: string }[]): string[] => events.map(({ type }) => type);

describe("what is kept", () => {
  test("is forgotten after its time; the id is not run again", async () => {
    const world = countingWorld({ limits: { keptMs: 3_600_000 } });
    world.call(1, 2);
    await world.clock.advanceAsync(4_400_000);
    expect(world.nodes.get(2)!.server.list()).toEqual([]);
    expect(world.nodes.get(2)!.store.list("task-events")).toEqual([]);
    const late = world.call(1, 2);
    await world.clock.advanceAsync(100);
    expect(late.error?.code).toBe("TASK_FORGOTTEN");
    world.kill(1);
    world.start(1);
    world.link(1, 2);
    const forgetful = world.call(1, 2);
    await world.clock.advanceAsync(100);
    expect(forgetful.error?.code).toBe("TASK_FORGOTTEN");
    expect(world.runs).toHaveLength(1);
  });

  test("is bounded in number: the oldest outcome goes first", async () => {
    const world = countingWorld({ limits: { keptCountMax: 3 } });
    for (let number = 1; number <= 5; number++) {
      world.call(1, 2, { id: `0190a1b2-000${number}-7000-8000-000000000000`, args: [1] });
      await world.clock.advanceAsync(100);
    }
    const ids = world.nodes
      .get(2)!
      .server.list()
      .map(({ id }) => id.charAt(12));
    expect(ids).toEqual(["3", "4", "5"]);
  });

  test("is bounded in bytes per task: more output ends it", async () => {
    const world = countingWorld({ limits: { journalBytesMax: 50 } });
    const seen = world.call(1, 2, { args: [100] });
    await world.clock.advanceAsync(2000);
    expect(seen.events.at(-1)).toMatchObject({ type: "error", error: { code: "RESULT_TOO_LARGE" } });
  });

  test("unfinished tasks are bounded: one more is refused before it is stored", async () => {
    const world = countingWorld({ limits: { unfinishedMax: 1 } });
    world.call(1, 2, { args: [100] });
    await world.clock.advanceAsync(20);
    const second = world.call(1, 2, { id: "another", args: [1] });
    await world.clock.advanceAsync(20);
    expect(second.error).toMatchObject({ code: "OVERLOADED", details: { accepted: false } });
  });
});

describe("a task that a node gives itself", () => {
  test("is stored, cancelled and found like any other", async () => {
    const world = countingWorld();
    const seen = world.call(2, 2, { args: [3] });
    await world.clock.advanceAsync(500);
    expect(types(seen.events)).toEqual(["accepted", "item", "item", "item", "final"]);
    const controller = new AbortController();
    const second = world.call(2, 2, { id: "second", args: [100], signal: controller.signal });
    await world.clock.advanceAsync(50);
    controller.abort(new EasynetError("CANCELLED", { subject: "work" }));
    await world.clock.advanceAsync(50);
    expect(second.events.at(-1)).toMatchObject({ type: "error", error: { code: "CANCELLED" } });
    await expect(world.nodes.get(2)!.caller.report("second")).resolves.toMatchObject({
      state: "canceled",
      reached: true,
    });
  });
});

describe("asked for its state", () => {
  test("a task is told by its provider, while it runs and when it has ended", async () => {
    const world = countingWorld();
    world.call(1, 2, { args: [5] });
    await world.clock.advanceAsync(20);
    const { caller } = world.nodes.get(1)!;
    const { id } = world.request(1).envelope;
    const running = caller.report(id);
    await world.clock.advanceAsync(10);
    await expect(running).resolves.toMatchObject({ state: "working", reached: true });
    await world.clock.advanceAsync(500);
    const ended = caller.report(id);
    await world.clock.advanceAsync(10);
    await expect(ended).resolves.toMatchObject({ state: "completed", value: "done", items: range(5), reached: true });
    world.cut(1, 2);
    await expect(caller.report(id)).resolves.toMatchObject({ state: "completed", reached: false });
    await expect(caller.report("never")).rejects.toMatchObject({ code: "TASK_FORGOTTEN" });
  });
});

describe("a provider that breaks the rules", () => {
  test("by going on after another event than the last one is told apart from the task's end", async () => {
    const world = countingWorld();
    world.nodes.get(2)!.exchanges.serve(async (exchange) => {
      exchange.accept(7);
      await exchange.send(final("wrong"));
    });
    const seen = world.call(1, 2);
    await world.clock.advanceAsync(10);
    expect(seen.error?.code).toBe("PROVIDER_MISBEHAVED");
    expect(world.nodes.get(1)!.caller.list()).toMatchObject([{ end: undefined }]);
  });

  test("by ending what it never accepted is not believed", async () => {
    const world = countingWorld();
    world.nodes.get(2)!.exchanges.serve((exchange) =>
      exchange.send({
        type: "error",
        error: new EasynetError("FUNCTION_FAILED", { capability: "w", name: "E", reason: "r" }).toJSON(),
      }),
    );
    const seen = world.call(1, 2);
    await world.clock.advanceAsync(10);
    expect(seen.error?.code).toBe("FUNCTION_FAILED");
    expect(world.nodes.get(1)!.caller.list()).toMatchObject([{ accepted: false, end: undefined }]);
  });
});

test("wherever the stream is cut, and whatever its sizes are, the caller sees what was said, once and in order", async () => {
  const scenario = fc.record({
    sizes: fc.array(fc.oneof(fc.nat(200), fc.nat(400_000)), { minLength: 1, maxLength: 10 }),
    cuts: fc.array(fc.record({ afterMs: fc.integer({ min: 1, max: 60 }), awayMs: fc.nat(400) }), { maxLength: 8 }),
  });
  await fc.assert(
    fc.asyncProperty(scenario, async ({ sizes, cuts }) => {
      const world = countingWorld();
      world.script = async function* () {
        for (const [index, size] of sizes.entries()) {
          yield { type: "item", value: `${index}`.padEnd(size) };
          await new Promise<void>((resolve) => void world.clock.setTimer(7, resolve));
        }
        yield final("end");
      };
      const seen = world.call(1, 2);
      for (const { afterMs, awayMs } of cuts) {
        await world.clock.advanceAsync(afterMs);
        world.cut(1, 2);
        await world.clock.advanceAsync(awayMs);
        world.link(1, 2);
      }
      await world.clock.advanceAsync(20_000);
      // Before its first link broke nothing had to be sent: then there is nothing to see.
      if (seen.error?.code === "PEER_UNREACHABLE") return;
      const short = (value: unknown): unknown => [String(value).trim(), String(value).length];
      expect(itemsOf(seen).map(short)).toEqual(sizes.map((size, index) => short(`${index}`.padEnd(size))));
      expect(seen.done).toBe(true);
      expect(world.runs).toHaveLength(1);
    }),
    tries(60),
  );
});
