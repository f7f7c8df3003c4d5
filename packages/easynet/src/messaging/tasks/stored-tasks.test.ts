import { describe, expect, test } from "vitest";
import { EasynetError } from "../../kernel/index.ts";
import type { AgentEvent } from "../../model/index.ts";
import { fakeDid } from "../../testing/index.ts";
import { countingWorld, itemsOf, type TaskWorld } from "../../testing/task-world.ts";

const final = (value: unknown): AgentEvent => ({ type: "final", value, stop: "end" });

const range = (count: number): number[] => Array.from({ length: count }, (_, index) => index + 1);
const types = (events: readonly { readonly type: string }[]): string[] => events.map(({ type }) => type);

describe("a stored task", () => {
  test("is accepted, then answered as its agent answers", async () => {
    const world = countingWorld();
    const seen = world.call(1, 2, { args: [2] });
    await world.clock.advanceAsync(3);
    expect(types(seen.events)).toEqual(["accepted", "item"]);
    await world.clock.advanceAsync(100);
    expect(types(seen.events)).toEqual(["accepted", "item", "item", "final"]);
    expect(seen.done).toBe(true);
  });

  test("is refused, and not run, when the disk is full", async () => {
    const world = countingWorld();
    world.nodes.get(2)!.store.fault = "full";
    const seen = world.call(1, 2);
    await world.clock.advanceAsync(10);
    expect(seen.error).toMatchObject({ code: "STORAGE_FULL", details: { accepted: false } });
    expect(world.runs).toEqual([]);
    world.nodes.get(2)!.store.fault = "none";
    const again = world.call(1, 2);
    await world.clock.advanceAsync(100);
    expect(again.done).toBe(true);
  });

  test("shows no event before it is on disk, and goes on when the disk has room again", async () => {
    const world = countingWorld();
    const seen = world.call(1, 2, { args: [2] });
    await world.clock.advanceAsync(4);
    world.nodes.get(2)!.store.fault = "full";
    await world.clock.advanceAsync(200);
    expect(itemsOf(seen)).toEqual([1]);
    world.nodes.get(2)!.store.fault = "none";
    await world.clock.advanceAsync(2000);
    expect(types(seen.events)).toEqual(["accepted", "item", "item", "final"]);
  });

  test("that broke with its store is not answered as if it had failed", async () => {
    const world = countingWorld();
    const seen = world.call(1, 2, { args: [5] });
    await world.clock.advanceAsync(4);
    world.nodes.get(2)!.store.fault = "failed";
    await world.clock.advanceAsync(200);
    expect(seen.error?.code).toBe("STORAGE_FAILED");
    expect(world.nodes.get(2)!.server.find(fakeDid(1), world.request(1).envelope.id).state).toBe("working");
  });

  test("goes on after broken links: nothing is lost, nothing comes twice", async () => {
    const world = countingWorld();
    const seen = world.call(1, 2, { args: [30] });
    for (let cut = 0; cut < 5; cut++) {
      await world.clock.advanceAsync(37);
      world.cut(1, 2);
      await world.clock.advanceAsync(25);
      world.link(1, 2);
    }
    await world.clock.advanceAsync(1000);
    expect(itemsOf(seen)).toEqual(range(30));
    expect(seen.done).toBe(true);
    expect(world.runs).toHaveLength(1);
  });

  test("sent again with its id gives the same outcome, while it runs and when it has ended", async () => {
    const world = countingWorld();
    const first = world.call(1, 2, { args: [5] });
    await world.clock.advanceAsync(20);
    const second = world.call(1, 2, { args: [5] });
    await world.clock.advanceAsync(500);
    const third = world.call(1, 2, { args: [5] });
    await world.clock.advanceAsync(20);
    for (const seen of [first, second, third]) expect(itemsOf(seen)).toEqual(range(5));
    expect(world.runs).toHaveLength(1);
  });

  test("sent twice in the same moment runs once", async () => {
    const world = countingWorld();
    const both = [world.call(1, 2), world.call(1, 2)];
    await world.clock.advanceAsync(500);
    for (const seen of both) expect(seen.done).toBe(true);
    expect(world.runs).toHaveLength(1);
  });

  test("with its id and another input is refused, by the caller's node and by the provider", async () => {
    const world = countingWorld();
    world.call(1, 2, { args: [5] });
    await world.clock.advanceAsync(20);
    const other = world.call(1, 2, { args: [6] });
    await world.clock.advanceAsync(20);
    expect(other.error?.code).toBe("TASK_ID_REUSED");
    world.kill(1);
    world.start(1);
    world.link(1, 2);
    const forgetful = world.call(1, 2, { args: [6] });
    await world.clock.advanceAsync(500);
    expect(forgetful.error?.code).toBe("TASK_ID_REUSED");
    expect(world.runs).toHaveLength(1);
  });

  test("of one caller is nothing to another: the same id is another task", async () => {
    const world = countingWorld();
    world.start(3);
    world.link(3, 2);
    world.call(1, 2, { args: [2] });
    const other = world.call(3, 2, { args: [4] });
    await world.clock.advanceAsync(500);
    expect(itemsOf(other)).toEqual(range(4));
    expect(world.runs).toHaveLength(2);
    expect(() => world.nodes.get(2)!.server.find(fakeDid(4), world.request(4).envelope.id)).toThrow(
      expect.objectContaining({ code: "TASK_FORGOTTEN" }),
    );
  });

  test("that is cancelled ends so for everybody who asks", async () => {
    const world = countingWorld();
    const controller = new AbortController();
    const seen = world.call(1, 2, { args: [100], signal: controller.signal });
    await world.clock.advanceAsync(55);
    controller.abort(new EasynetError("CANCELLED", { subject: "work" }));
    await world.clock.advanceAsync(2000);
    expect(seen.events.at(-1)).toMatchObject({ type: "error", error: { code: "CANCELLED" } });
    expect(world.nodes.get(2)!.server.list()).toMatchObject([{ state: "canceled" }]);
  });

  test("that is cancelled while its provider is away is stopped as soon as there is a link", async () => {
    const world = countingWorld();
    const controller = new AbortController();
    const seen = world.call(1, 2, { args: [1000], signal: controller.signal });
    await world.clock.advanceAsync(55);
    world.cut(1, 2);
    await world.clock.advanceAsync(100);
    controller.abort(new EasynetError("CANCELLED", { subject: "work" }));
    await world.clock.advanceAsync(100);
    expect(seen.error?.code).toBe("CANCELLED");
    expect(world.nodes.get(2)!.server.list()).toMatchObject([{ state: "working" }]);
    world.link(1, 2);
    await world.clock.advanceAsync(100);
    expect(world.nodes.get(2)!.server.list()).toMatchObject([{ state: "canceled" }]);
  });

  test("goes on when the program that asked is gone, and is there for the next one that asks", async () => {
    const world = countingWorld();
    const controller = new AbortController();
    const seen = world.call(1, 2, { args: [20], signal: controller.signal });
    await world.clock.advanceAsync(55);
    controller.abort(new EasynetError("LINK_CLOSED", { peer: "a program", reason: "the process is gone" }));
    await world.clock.advanceAsync(500);
    expect(seen.error?.code).toBe("LINK_CLOSED");
    expect(world.nodes.get(2)!.server.list()).toMatchObject([{ state: "completed" }]);
    const next = world.call(1, 2, { args: [20] });
    await world.clock.advanceAsync(20);
    expect(itemsOf(next)).toEqual(range(20));
  });

  test("that is late ends where it runs, and its caller's node learns that on asking", async () => {
    const world = countingWorld();
    world.script = async function* (request) {
      await new Promise<void>((resolve) => void world.clock.setTimer(500, resolve));
      const error = new EasynetError("DEADLINE_EXCEEDED", { subject: request.capability, timeoutMs: 300 });
      yield { type: "error", error: error.toJSON() };
    };
    const seen = world.call(1, 2, { timeoutMs: 300 });
    await world.clock.advanceAsync(2000);
    expect(seen.error?.code).toBe("DEADLINE_EXCEEDED");
    const report = world.nodes.get(1)!.caller.report(world.request(1).envelope.id);
    await world.clock.advanceAsync(20);
    await expect(report).resolves.toMatchObject({ state: "failed", error: { code: "DEADLINE_EXCEEDED" } });
  });

  test("whose reader stops reading is not stopped, and is read on later", async () => {
    const world = countingWorld();
    world.script = async function* () {
      for (let number = 1; number <= 40; number++) yield { type: "item", value: [number, "x".repeat(20_000)] };
      yield final("done");
    };
    const request = world.request(1, { timeoutMs: 600_000 });
    const place = { node: fakeDid(2), nodeName: "", agent: "", agentName: "" };
    const events = world.nodes.get(1)!.caller.call(request, place, { repeatable: false, others: () => false });
    const numbers: unknown[] = [];
    const reading = (async () => {
      for await (const event of events) {
        if (event.type !== "item" || !Array.isArray(event.value)) continue;
        numbers.push(event.value[0]);
        // Longer than a provider waits for credit.
        if (numbers.length === 5) await new Promise<void>((resolve) => void world.clock.setTimer(90_000, resolve));
      }
    })();
    await world.clock.advanceAsync(80_000);
    expect(world.nodes.get(2)!.exchanges.openCount).toBe(0);
    await world.clock.advanceAsync(20_000);
    await reading;
    expect(numbers).toEqual(range(40));
    expect(world.runs).toHaveLength(1);
  });

  test("whose provider stays away past the deadline is said to be uncertain, and nobody else is asked", async () => {
    const world = countingWorld();
    const seen = world.call(1, 2, { args: [5], timeoutMs: 5000 });
    await world.clock.advanceAsync(25);
    world.cut(1, 2);
    await world.clock.advanceAsync(10_000);
    expect(seen.error).toMatchObject({ code: "TASK_UNCERTAIN" });
    expect(world.clock.pendingCount).toBeLessThan(10);
  });

  test("that could not even be sent leaves no trace", async () => {
    const world = countingWorld();
    world.cut(1, 2);
    const seen = world.call(1, 2);
    await world.clock.advanceAsync(10);
    expect(seen.error?.code).toBe("PEER_UNREACHABLE");
    expect(world.nodes.get(1)!.caller.list()).toEqual([]);
  });
});

describe("after a crash of the provider", () => {
  const crash = async (world: TaskWorld): Promise<void> => {
    const disk = world.kill(2);
    await world.clock.advanceAsync(300);
    world.start(2, disk);
    world.link(1, 2);
    await world.clock.advanceAsync(5000);
  };

  test("work with effects is not run again: its caller is told", async () => {
    const world = countingWorld();
    const seen = world.call(1, 2, { args: [20] });
    await world.clock.advanceAsync(55);
    await crash(world);
    expect(seen.events.at(-1)).toMatchObject({ type: "error", error: { code: "TASK_INTERRUPTED" } });
    expect(world.runs).toHaveLength(1);
  });

  test("repeatable work that had shown nothing runs again", async () => {
    const world = countingWorld({ repeatable: () => true });
    world.script = async function* () {
      await new Promise<void>((resolve) => void world.clock.setTimer(100, resolve));
      yield final("done");
    };
    const seen = world.call(1, 2);
    await world.clock.advanceAsync(55);
    await crash(world);
    expect(seen.events.at(-1)).toEqual(final("done"));
    expect(world.runs).toHaveLength(2);
  });

  test("repeatable work that had shown part of its output is interrupted: nobody gets it twice", async () => {
    const world = countingWorld({ repeatable: () => true });
    const seen = world.call(1, 2, { args: [20] });
    await world.clock.advanceAsync(55);
    await crash(world);
    expect(seen.events.at(-1)).toMatchObject({ type: "error", error: { code: "TASK_INTERRUPTED" } });
    expect(new Set(itemsOf(seen)).size).toBe(itemsOf(seen).length);
  });

  test("an outcome that was on disk is there", async () => {
    const world = countingWorld();
    const seen = world.call(1, 2, { args: [2] });
    await world.clock.advanceAsync(12);
    world.cut(1, 2);
    await world.clock.advanceAsync(100);
    await crash(world);
    expect(itemsOf(seen)).toEqual([1, 2]);
    expect(seen.done).toBe(true);
    expect(world.runs).toHaveLength(1);
  });
});

describe.each([
  { durability: "process", afterKill: "kept", afterPowerCut: "lost" },
  { durability: "disk", afterKill: "kept", afterPowerCut: "kept" },
] as const)("a task of $durability durability", ({ durability, afterKill, afterPowerCut }) => {
  const found = (world: TaskWorld): "kept" | "lost" => {
    const { server, caller } = { server: world.nodes.get(2)!.server, caller: world.nodes.get(1)!.caller };
    const counts = [server.list().length, caller.list().length];
    expect(new Set(counts).size).toBe(1);
    return counts[0] === 1 ? "kept" : "lost";
  };

  test.each([
    { what: "kill -9", afterwards: afterKill, end: (world: TaskWorld, node: number) => world.kill(node) },
    { what: "a power cut", afterwards: afterPowerCut, end: (world: TaskWorld, node: number) => world.cutPower(node) },
  ])("and its outcome after $what of both sides: $afterwards", async ({ afterwards, end }) => {
    const world = countingWorld({ durability: () => durability });
    const seen = world.call(1, 2, { args: [3] });
    await world.clock.advanceAsync(500);
    expect(itemsOf(seen)).toEqual(range(3));
    const disks = [1, 2].map((node) => end(world, node));
    for (const [index, disk] of disks.entries()) world.start(index + 1, disk);
    world.link(1, 2);
    expect(found(world)).toBe(afterwards);
    const again = world.call(1, 2, { args: [3] });
    await world.clock.advanceAsync(500);
    expect(itemsOf(again)).toEqual(range(3));
    // Who remembers it gives the outcome again; where both forgot it, it is another task.
    expect(world.runs).toHaveLength(afterwards === "kept" ? 1 : 2);
  });

  test("is still one of that durability when it goes on after kill -9 in its middle", async () => {
    const world = countingWorld({ durability: () => durability, repeatable: () => true });
    world.script = async function* () {
      await new Promise<void>((resolve) => void world.clock.setTimer(100, resolve));
      yield final("done");
    };
    const seen = world.call(1, 2);
    await world.clock.advanceAsync(50);
    const disk = world.kill(2);
    await world.clock.advanceAsync(300);
    world.start(2, disk);
    world.link(1, 2);
    await world.clock.advanceAsync(5000);
    expect(seen.events.at(-1)).toEqual(final("done"));
    const disks = [1, 2].map((node) => world.cutPower(node));
    for (const [index, synced] of disks.entries()) world.start(index + 1, synced);
    const record = world.nodes.get(2)!.server.list();
    // What was written before the kill counts as synced since; its end does not, unless it had to be.
    expect(record.map(({ state }) => state)).toEqual([durability === "disk" ? "completed" : "working"]);
  });
});

describe("after a crash of the caller", () => {
  test("its node knows the task, and the same id gives all of it", async () => {
    const world = countingWorld();
    world.call(1, 2, { args: [20] });
    await world.clock.advanceAsync(55);
    const disk = world.kill(1);
    await world.clock.advanceAsync(50);
    const node = world.start(1, disk);
    expect(node.caller.list()).toMatchObject([{ accepted: true, end: undefined }]);
    world.link(1, 2);
    const seen = world.call(1, 2, { args: [20] });
    await world.clock.advanceAsync(1000);
    expect(itemsOf(seen)).toEqual(range(20));
    expect(world.runs).toHaveLength(1);
    expect(node.caller.list()).toMatchObject([{ end: { code: "" } }]);
  });
});
