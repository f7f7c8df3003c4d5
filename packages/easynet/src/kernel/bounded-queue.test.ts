import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { BoundedQueue } from "./bounded-queue.ts";

async function drain<Item>(queue: BoundedQueue<Item>): Promise<Item[]> {
  const items: Item[] = [];
  for await (const item of queue) items.push(item);
  return items;
}

describe("a bounded queue", () => {
  test("behaves as an array of limited length under any sequence of pushes and shifts", () => {
    const step = fc.oneof(fc.record({ push: fc.integer() }), fc.constant("shift" as const));
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 200 }), fc.array(step, { maxLength: 600 }), (countMax, steps) => {
        const queue = new BoundedQueue<number>(countMax);
        const model: number[] = [];
        const pushed = (item: number): boolean => model.length < countMax && model.push(item) > 0;
        for (const action of steps) {
          const [found, expected] =
            action === "shift" ? [queue.shift(), model.shift()] : [queue.push(action.push), pushed(action.push)];
          expect(found).toBe(expected);
          expect(queue.count).toBe(model.length);
        }
      }),
    );
  });

  test("gives the consumer everything in order, whoever is faster", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(fc.integer(), fc.boolean()), { maxLength: 200 }), async (items) => {
        const queue = new BoundedQueue<number>(1000);
        const consumed = drain(queue);
        for (const [item, pause] of items) {
          queue.push(item);
          if (pause) await Promise.resolve();
        }
        queue.end();
        expect(await consumed).toEqual(items.map(([item]) => item));
      }),
    );
  });

  test("refuses at the limit and takes again after a shift", () => {
    const queue = new BoundedQueue<string>(2);
    expect([queue.push("a"), queue.push("b"), queue.push("c")]).toEqual([true, true, false]);
    expect(queue.shift()).toBe("a");
    expect(queue.push("d")).toBe(true);
    expect([queue.shift(), queue.shift(), queue.shift()]).toEqual(["b", "d", undefined]);
  });

  test("delivers what is stored before it ends, and takes nothing more", async () => {
    const queue = new BoundedQueue<number>(5);
    queue.push(1);
    queue.end();
    expect(queue.push(2)).toBe(false);
    expect(await drain(queue)).toEqual([1]);
  });

  test("fails the consumer with the error of its end, after the stored items; the first end counts", async () => {
    const queue = new BoundedQueue<number>(5);
    queue.push(1);
    queue.end(new Error("broken"));
    queue.end();
    const seen: number[] = [];
    const consumed = (async () => {
      for await (const item of queue) seen.push(item);
    })();
    await expect(consumed).rejects.toThrow("broken");
    expect(seen).toEqual([1]);
  });

  test("wakes a consumer that waits, also by its end", async () => {
    const queue = new BoundedQueue<number>(1);
    const iterator = queue[Symbol.asyncIterator]();
    const first = iterator.next();
    queue.push(7);
    expect(await first).toEqual({ value: 7, done: false });
    const second = iterator.next();
    queue.end();
    expect((await second).done).toBe(true);
  });
});
