import { describe, expect, test } from "vitest";
import { entryOf, storageOf } from "../../../../../test/support/raft-group.ts";
import { entriesBytes } from "./entries.ts";
import type { MemoryStorage } from "./memory-storage.ts";

const confState = { voters: [1, 2], votersOutgoing: [], learners: [], learnersNext: [], autoLeave: false };
const indexes = (storage: MemoryStorage): unknown => {
  const entries = storage.entries(storage.firstIndex(), storage.lastIndex() + 1, Infinity);
  return typeof entries === "string" ? entries : entries.map(({ index, term }) => [index, term]);
};

describe("storage in memory", () => {
  test("knows the term just before its first entry, and says what is gone and what is not there", () => {
    const storage = storageOf({ voters: [1], terms: [1, 1, 2] });
    expect(storage.compact(2)).toBe(true);
    expect([storage.firstIndex(), storage.lastIndex()]).toEqual([3, 3]);
    expect([storage.term(1), storage.term(2), storage.term(3), storage.term(4)]).toEqual([
      "compacted",
      1,
      2,
      "unavailable",
    ]);
    expect([storage.entries(2, 3, Infinity), storage.entries(3, 5, Infinity)]).toEqual(["compacted", "unavailable"]);
    expect(storage.compact(2)).toBe(false);
    expect(() => storage.compact(9)).toThrow(/out of bound/);
  });

  test("gives at most so many bytes, but at least one entry", () => {
    const storage = storageOf({ voters: [1], terms: [1, 1, 1] });
    const each = entriesBytes([entryOf(1, 1)]);
    const lengths = [0, each * 2, each * 2.5, Infinity].map((bytesMax) => storage.entries(1, 4, bytesMax).length);
    expect(lengths).toEqual([1, 2, 2, 3]);
  });

  test("an append replaces from its first index on, whatever is compacted stays so", () => {
    const storage = storageOf({ voters: [1], terms: [1, 1, 1] });
    storage.append([entryOf(2, 2)]);
    expect(indexes(storage)).toEqual([
      [1, 1],
      [2, 2],
    ]);
    storage.compact(2);
    storage.append([entryOf(3, 2), entryOf(3, 3)]);
    expect(indexes(storage)).toEqual([[3, 3]]);
    expect(() => storage.append([entryOf(3, 6)])).toThrow(/missing log entry/);
  });

  test("a snapshot replaces the log, but not a newer one", () => {
    const storage = storageOf({ voters: [1], terms: [1, 1, 1] });
    const data = new Uint8Array([1]);
    expect(storage.createSnapshot(2, data, confState)?.metadata).toEqual({ index: 2, term: 1, confState });
    expect(storage.createSnapshot(2, data)).toBeUndefined();
    expect(storage.applySnapshot({ data, metadata: { index: 2, term: 1, confState } })).toBe(false);
    expect(storage.applySnapshot({ data, metadata: { index: 9, term: 4, confState } })).toBe(true);
    expect([storage.firstIndex(), storage.lastIndex(), storage.term(9)]).toEqual([10, 9, 4]);
    expect(storage.initialState().confState).toEqual(confState);
  });
});
