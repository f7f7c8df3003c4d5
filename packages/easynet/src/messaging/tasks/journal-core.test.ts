import * as fc from "fast-check";
import { expect, test } from "vitest";
import { tries } from "../../../../../test/quick.ts";
import { type Segment, TaskJournal } from "./journal-core.ts";

/** One step in the life of a journal, and of the process that holds it. */
const steps = fc.array(
  fc.oneof(
    { weight: 5, arbitrary: fc.constant("append" as const) },
    { weight: 4, arbitrary: fc.constant("write" as const) },
    { weight: 3, arbitrary: fc.constant("written" as const) },
    { weight: 1, arbitrary: fc.constant("unwritten" as const) },
    { weight: 1, arbitrary: fc.constant("crash" as const) },
    { weight: 3, arbitrary: fc.constant("read" as const) },
    { weight: 1, arbitrary: fc.constant("link-cut" as const) },
  ),
  { maxLength: 120 },
);

const byte = (event: Uint8Array | undefined): number => event?.[0] ?? -1;

test("what a reader saw over cuts and crashes is what is on disk, each event once and in order", () => {
  fc.assert(
    fc.property(steps, fc.nat(40), (plan, endAt) => {
      const disk: Segment[] = [];
      const seen: number[] = [];
      let journal = new TaskJournal();
      let writing: Segment | undefined;
      let [made, cursor] = [0, 0];
      for (const step of plan) {
        if (step === "append" && !journal.ending) journal.append(new Uint8Array([++made % 251]), made > endAt);
        else if (step === "write") writing = journal.take() ?? writing;
        else if (step === "written" && writing) {
          disk.push(writing);
          journal.written();
          writing = undefined;
        } else if (step === "unwritten" && writing) {
          journal.unwritten();
          writing = undefined;
        } else if (step === "crash") {
          const stored = disk.reduce((count, { events }) => count + events.length, 0);
          const finished = disk.at(-1)?.ends === true;
          journal = new TaskJournal({ stored, bytes: stored, finished });
          writing = undefined;
        } else if (step === "read" || step === "link-cut") {
          const numbered = disk.flatMap(({ first, events }) =>
            events.map((event, index) => [first + index, event] as const),
          );
          for (const [number, event] of numbered) {
            if (number !== cursor + 1 || number > journal.stored) continue;
            cursor = number;
            seen.push(byte(event));
            if (step === "link-cut") break;
          }
        }
      }
      const stored = disk.flatMap(({ events }) => events.map(byte));
      expect(seen).toEqual(stored.slice(0, seen.length));
      expect(disk.map(({ first }) => first)).toEqual(
        disk.map((_, index) => 1 + disk.slice(0, index).reduce((count, { events }) => count + events.length, 0)),
      );
      expect(disk.filter(({ ends }) => ends).length).toBeLessThanOrEqual(1);
      expect(journal.finished).toBe(disk.at(-1)?.ends === true);
    }),
    tries(500),
  );
});

test("one segment is written at a time; what comes meanwhile joins the next", () => {
  const journal = new TaskJournal();
  journal.append(new Uint8Array([1]), false);
  const first = journal.take();
  journal.append(new Uint8Array([2]), false);
  journal.append(new Uint8Array([3]), true);
  expect(journal.take()).toBeUndefined();
  journal.written();
  expect([first?.events.length, journal.stored, journal.finished]).toEqual([1, 1, false]);
  expect(journal.take()).toMatchObject({ first: 2, ends: true });
  journal.written();
  expect([journal.stored, journal.finished]).toEqual([3, true]);
});

test("nothing is taken after the end", () => {
  const journal = new TaskJournal();
  expect(journal.append(new Uint8Array([1]), true)).toBe(true);
  expect(journal.append(new Uint8Array([2]), true)).toBe(false);
  expect(journal.take()).toMatchObject({ events: [new Uint8Array([1])] });
});

test("an agent that is faster than the disk is held back, until its events are written", () => {
  const journal = new TaskJournal();
  for (let count = 0; count < 5; count++) journal.append(new Uint8Array(1024 * 1024), false);
  expect(journal.crowded).toBe(true);
  expect(journal.take()?.events).toHaveLength(4);
  expect(journal.crowded).toBe(false);
});
