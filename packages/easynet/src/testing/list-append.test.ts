import * as fc from "fast-check";
import { expect, test } from "vitest";
import { seededRandom } from "../kernel/index.ts";
import { checkListAppend, type ListTransaction, type MicroOperation } from "./list-append.ts";

const append = (key: string, element: number): MicroOperation => ({ kind: "append", key, element });
const read = (key: string, ...list: readonly number[]): MicroOperation => ({ kind: "read", key, list });
const at = (invokedAt: number, returnedAt: number, ...operations: readonly MicroOperation[]): ListTransaction => ({
  operations,
  invokedAt,
  returnedAt,
});

test("transactions one after the other are in order", () => {
  expect(
    checkListAppend([
      at(1, 2, append("x", 1), append("y", 1)),
      at(3, 4, read("x", 1), append("x", 2), read("x", 1, 2)),
      at(5, 6, read("x", 1, 2), read("y", 1)),
    ]),
  ).toEqual([]);
});

test("two that each miss what the other one wrote stand in a circle", () => {
  const [one, two] = [at(1, 9, read("x"), append("y", 1)), at(1, 9, read("y"), append("x", 1))];
  expect(checkListAppend([one, two, at(10, 11, read("x", 1), read("y", 1))])).toEqual([
    expect.stringContaining("no order explains"),
  ]);
});

test("what was answered is seen by whoever begins later", () => {
  expect(checkListAppend([at(1, 2, append("x", 1)), at(3, 4, read("x"))])).toEqual([]);
  expect(checkListAppend([at(1, 2, append("x", 1)), at(3, 4, read("x")), at(5, 6, read("x", 1))])).toEqual([
    expect.stringContaining("no order explains"),
  ]);
  expect(checkListAppend([at(1, Infinity, append("x", 1)), at(3, 4, read("x")), at(5, 6, read("x", 1))])).toEqual([]);
});

test.each([
  {
    what: "two orders of one list",
    history: [at(1, 9, append("x", 1)), at(1, 9, append("x", 2)), at(1, 9, read("x", 1, 2)), at(1, 9, read("x", 2, 1))],
    sign: /was read as/,
  },
  { what: "an element of nobody", history: [at(1, 2, read("x", 7))], sign: /nobody appended/ },
  { what: "an element twice", history: [at(1, 2, append("x", 1)), at(3, 4, read("x", 1, 1))], sign: /twice/ },
  {
    what: "an element that was refused",
    history: [{ ...at(1, 2, append("x", 1)), refused: true }, at(3, 4, read("x", 1))],
    sign: /refused/,
  },
  {
    what: "a transaction that does not see itself",
    history: [at(1, 2, append("x", 1), read("x"))],
    sign: /after appending/,
  },
])("$what is told", ({ history, sign }) => {
  expect(checkListAppend(history)[0]).toMatch(sign);
});

/** Transactions that take place one at a time, at a moment while they run. */
function makeHistory(seed: number, count: number): ListTransaction[] {
  const random = seededRandom(seed);
  const some = (most: number): number => Math.floor(random.next() * most);
  const lists = new Map<string, number[]>();
  const history: ListTransaction[] = [];
  for (let moment = 0; moment < count; moment++) {
    const operations = Array.from({ length: 1 + some(4) }, (_, index): MicroOperation => {
      const key = `k${some(3)}`;
      const list = lists.get(key) ?? [];
      if (random.next() < 0.5) return read(key, ...list);
      const element = moment * 10 + index;
      lists.set(key, [...list, element]);
      return append(key, element);
    });
    const returnedAt = random.next() < 0.1 ? Infinity : moment * 10 + some(30);
    history.push(at(moment * 10 - some(30), returnedAt, ...operations));
  }
  return history;
}

test("histories of transactions one at a time are accepted, and refused when a read misses the last element it saw", () => {
  const seen = { refused: 0 };
  fc.assert(
    fc.property(fc.nat(), (seed) => {
      const history = makeHistory(seed, 40);
      expect(checkListAppend(history)).toEqual([]);
      // The last answered transaction that read something, when others have ended before it began.
      const place = history.findLastIndex(
        ({ operations, returnedAt }) =>
          returnedAt !== Infinity && operations[0]?.kind === "read" && operations[0].list.length > 0,
      );
      const chosen = history[place];
      const [first, ...others] = chosen?.operations ?? [];
      if (!chosen || first?.kind !== "read") return;
      const element = first.list.at(-1);
      const writer = history.find(({ operations }) =>
        operations.some((each) => each.kind === "append" && each.key === first.key && each.element === element),
      );
      const seenByOthers = history.some(
        (other, index) =>
          index !== place &&
          other.returnedAt !== Infinity &&
          other.operations.some(
            (each) => each.kind === "read" && each.key === first.key && each.list.includes(element ?? -1),
          ),
      );
      if (!writer || writer.returnedAt >= chosen.invokedAt || !seenByOthers) return;
      const changed = { ...chosen, operations: [read(first.key, ...first.list.slice(0, -1)), ...others] };
      expect(checkListAppend(history.with(place, changed))).not.toEqual([]);
      seen.refused += 1;
    }),
    { numRuns: 300, seed: 1 },
  );
  expect(seen.refused).toBeGreaterThan(20);
});
