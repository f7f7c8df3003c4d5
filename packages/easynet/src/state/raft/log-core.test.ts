import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { entryOf, storageOf } from "../../../../../test/support/raft-group.ts";
import { entriesBytes } from "./entries.ts";
import { RaftLog } from "./log-core.ts";
import { MemoryStorage } from "./memory-storage.ts";
import type { Entry } from "./types.ts";

/** A log whose entries of the first `stableCount` terms are durable and the others are not. */
function logOf(terms: readonly number[], stableCount = terms.length, applyingBytesMax = Infinity): RaftLog {
  const storage = storageOf({ voters: [1], terms: terms.slice(0, stableCount) });
  const log = new RaftLog({ storage, applyingBytesMax, logger: undefined });
  log.append(terms.map((term, at) => entryOf(term, at + 1)).slice(stableCount));
  return log;
}

const termsOf = (log: RaftLog): readonly number[] => {
  const entries = log.entries(log.firstIndex, Infinity);
  return typeof entries === "string" ? [] : entries.map(({ term }) => term);
};

describe("a log", () => {
  test.each([
    { previous: [0, 0], terms: [1, 2, 3], last: 3, after: [1, 2, 3] },
    { previous: [3, 3], terms: [], last: 3, after: [1, 2, 3] },
    { previous: [3, 3], terms: [4, 4], last: 5, after: [1, 2, 3, 4, 4] },
    { previous: [1, 1], terms: [4, 4], last: 3, after: [1, 4, 4] },
    { previous: [1, 1], terms: [2], last: 2, after: [1, 2, 3] },
    { previous: [2, 3], terms: [4], last: undefined, after: [1, 2, 3] },
    { previous: [3, 5], terms: [4], last: undefined, after: [1, 2, 3] },
  ])("takes $terms behind $previous when that is what it has there", ({ previous, terms, last, after }) => {
    for (const stableCount of [0, 1, 2, 3]) {
      const log = logOf([1, 2, 3], stableCount);
      const [term = 0, index = 0] = previous;
      const entries = terms.map((each, at) => entryOf(each, index + 1 + at));
      expect(log.maybeAppend({ term, index }, entries, 0)).toBe(last);
      expect(termsOf(log)).toEqual(after);
    }
  });

  test("commits what the leader has committed, as far as the append reaches", () => {
    const log = logOf([1, 1, 1]);
    log.maybeAppend({ term: 1, index: 1 }, [entryOf(1, 2)], 9);
    expect(log.committed).toBe(2);
  });

  test("never replaces what is committed, nor commits what it does not have", () => {
    const log = logOf([1, 1, 1]);
    log.commitTo(2);
    expect(() => log.maybeAppend({ term: 1, index: 1 }, [entryOf(2, 2)], 0)).toThrow(/conflicts with a committed/);
    expect(() => log.commitTo(4)).toThrow(/beyond the log/);
    expect(() => log.appliedTo(3, 0)).toThrow(/out of range/);
  });

  test("commits by counting only in the leader's own term", () => {
    const log = logOf([1, 1, 2]);
    expect(log.maybeCommit({ term: 2, index: 2 })).toBe(false);
    expect(log.maybeCommit({ term: 2, index: 3 })).toBe(true);
    expect(log.maybeCommit({ term: 2, index: 3 })).toBe(false);
    expect(log.committed).toBe(3);
  });

  test.each([
    // terms, from index, term -> where they may match
    [[2, 2, 5, 5, 5], 5, 4, { index: 2, term: 2 }],
    [[2, 2, 5, 5, 5], 5, 5, { index: 5, term: 5 }],
    [[2, 2, 5, 5, 5], 4, 1, { index: 0, term: 0 }],
    [[2, 2, 5, 5, 5], 6, 5, { index: 6, term: 0 }],
  ])("%j may match term %d at %d", (...[terms, index, term, expected]) => {
    expect(logOf(terms).findConflictByTerm(index, term)).toEqual(expected);
  });

  test("a log is up to date by its last term, then by its length", () => {
    const log = logOf([1, 3]);
    expect(log.isUpToDate({ term: 3, index: 2 })).toBe(true);
    expect(log.isUpToDate({ term: 4, index: 1 })).toBe(true);
    expect(log.isUpToDate({ term: 3, index: 1 })).toBe(false);
    expect(log.isUpToDate({ term: 2, index: 9 })).toBe(false);
  });

  test("hands out committed entries within its limit, then waits until they are applied", () => {
    const entryBytesEach = entriesBytes([entryOf(1, 1)]);
    const log = logOf([1, 1, 1], 3, entryBytesEach * 2);
    log.commitTo(3);
    const first = log.nextCommitted(true);
    expect(first.map(({ index }) => index)).toEqual([1, 2]);
    log.acceptApplying(2, entriesBytes(first), true);
    expect([log.hasNextCommitted(true), log.nextCommitted(true)]).toEqual([false, []]);
    log.appliedTo(2, entriesBytes(first));
    expect(log.nextCommitted(true).map(({ index }) => index)).toEqual([3]);
  });

  test("hands out what is not durable only when it may", () => {
    const log = logOf([1, 1, 1], 1);
    log.commitTo(3);
    expect(log.nextCommitted(false).map(({ index }) => index)).toEqual([1]);
    expect(log.nextCommitted(true).map(({ index }) => index)).toEqual([1, 2, 3]);
  });

  test("reads over the border of what is durable, within a limit but at least one", () => {
    const each = entriesBytes([entryOf(1, 1)]);
    const log = logOf([1, 1, 1, 1], 2);
    const count = (bytesMax: number): number => log.entries(1, bytesMax).length;
    expect([0, each, each * 2, each * 3, Infinity].map(count)).toEqual([1, 1, 2, 3, 4]);
    expect(log.slice(0, 2, Infinity)).toBe("compacted");
  });

  test("begins behind a snapshot that it was given", () => {
    const log = logOf([1, 1], 1);
    const [confState] = [new MemoryStorage().snapshot().metadata.confState];
    log.restore({ data: new Uint8Array(), metadata: { index: 7, term: 3, confState } });
    expect([log.firstIndex, log.lastIndex, log.committed, log.term(7)]).toEqual([8, 7, 7, 3]);
    expect(log.hasNextCommitted(true)).toBe(false);
    expect([log.term(2), log.term(8)]).toEqual(["compacted", "unavailable"]);
  });
});

type Operation =
  | { readonly kind: "append" | "overwrite"; readonly count: number; readonly at: number }
  | { readonly kind: "write" | "written" | "commit" | "compact"; readonly at: number };

const operation: fc.Arbitrary<Operation> = fc.oneof(
  fc.record({
    kind: fc.constantFrom("append" as const, "overwrite" as const),
    count: fc.integer({ min: 1, max: 4 }),
    at: fc.nat(9),
  }),
  fc.record({ kind: fc.constantFrom("write", "written", "commit", "compact"), at: fc.nat(9) }),
);

describe("a log whose writes are under way", () => {
  test("always reads as if everything were written", () => {
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 60 }), (operations) => {
        const storage = new MemoryStorage();
        const log = new RaftLog({ storage, applyingBytesMax: Infinity, logger: undefined });
        const model: number[] = [];
        let term = 1;
        const writes: { readonly entries: readonly Entry[]; readonly term: number; readonly last: number }[] = [];
        for (const each of operations) {
          if (each.kind === "append") {
            log.append(Array.from({ length: each.count }, (_, at) => entryOf(term, model.length + 1 + at)));
            for (let count = 0; count < each.count; count++) model.push(term);
          } else if (each.kind === "overwrite") {
            term++;
            const from = log.committed + (each.at % (model.length - log.committed + 1));
            const entries = Array.from({ length: each.count }, (_, at) => entryOf(term, from + 1 + at));
            log.maybeAppend({ term: model[from - 1] ?? 0, index: from }, entries, 0);
            model.splice(from, Infinity, ...entries.map(() => term));
          } else if (each.kind === "write") {
            writes.push({ entries: log.unstable.nextEntries(), term, last: log.lastIndex });
            log.unstable.acceptInProgress();
          } else if (each.kind === "written") {
            const write = writes.shift();
            if (!write) continue;
            storage.append(write.entries);
            // What was handed out in an earlier term may still be replaced by a write under way.
            if (write.term === term) log.unstable.stableTo({ term: log.termOrZero(write.last), index: write.last });
          } else if (each.kind === "commit") {
            log.commitTo(log.committed + (each.at % (model.length - log.committed + 1)));
          } else if (log.committed > storage.firstIndex() && log.committed < log.unstable.offset) {
            log.acceptApplying(log.committed, 0, true);
            log.appliedTo(log.committed, 0);
            storage.compact(log.applied);
          }
          expect(log.lastIndex).toBe(model.length);
          expect(termsOf(log)).toEqual(model.slice(log.firstIndex - 1));
          for (let index = log.firstIndex; index <= model.length; index++)
            expect(log.term(index)).toBe(model[index - 1]);
        }
      }),
      { numRuns: 300 },
    );
  });
});
