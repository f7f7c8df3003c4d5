import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { seededRandom } from "../kernel/index.ts";
import { fakeDid } from "../testing/index.ts";
import { DirectoryCore } from "./core.ts";
import { compareVersions, defaultDirectoryTimes, type Effect, type Entry, type ReceivedEntry } from "./core-types.ts";

const [self, peer, ...owners] = [0, 1, 2, 3, 4, 5].map(fakeDid);

function entry(owner: Entry["owner"], version: readonly [number, number], status: Entry["status"] = "alive"): Entry {
  const [epoch, sequence] = version;
  const record = { owner, name: `${epoch}.${sequence}`, version: "1", addresses: [], offers: {}, cards: [] };
  const sealed = { header: new Uint8Array(), signature: new Uint8Array(), recordBytes: undefined };
  const left = status === "left";
  return {
    owner,
    epoch,
    sequence,
    issuedAtMs: 0,
    status,
    recordHash: left ? "" : record.name,
    record: left ? undefined : record,
    sealed,
  };
}

function newCore(options: { readonly ownersCountMax?: number } = {}): DirectoryCore {
  const core = new DirectoryCore({ self: self!, times: defaultDirectoryTimes, random: seededRandom(1), ...options });
  core.step({ kind: "issued", entry: entry(self!, [1, 1]) }, 0);
  core.step({ kind: "link-up", peer: peer! }, 0);
  return core;
}

/** The peer passes an entry on, `ageMs` after its issue. */
function receive(
  core: DirectoryCore,
  received: Entry,
  at: { readonly nowMs: number; readonly ageMs?: number },
): Effect[] {
  const entries: ReceivedEntry[] = [{ entry: received, view: "leased", ageMs: at.ageMs ?? 0 }];
  return core.step({ kind: "entries", from: peer!, entries }, at.nowMs);
}

const anyEntry = fc
  .tuple(fc.constantFrom(...owners), fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 5 }))
  .map(([owner, epoch, sequence]) => entry(owner, [epoch, sequence], sequence === 5 ? "left" : "alive"));

describe("what a newcomer lacks", () => {
  test("is offered to it by its lines, and sent once it asks", () => {
    const core = newCore();
    for (const owner of owners) receive(core, entry(owner, [1, 1]), { nowMs: 0 });
    const page = { kind: "lines", from: peer!, lines: [], range: { after: "", upTo: undefined } } as const;
    const offered = core.step(page, 1);
    expect(offered.map(({ kind }) => kind)).toEqual(["send-news"]);
    const [own, ...versions] = [self!, ...owners].map((owner) => ({ owner, epoch: 0, sequence: 0 }));
    const sent = core.step({ kind: "wanted", from: peer!, versions: [own!, ...versions] }, 2);
    expect(sent).toMatchObject([{ kind: "send-entries", entries: { length: owners.length + 1 } }]);
  });

  test("it asks one peer for, though all offer it", () => {
    const core = newCore();
    const lines = owners.map((owner) => ({ owner, epoch: 1, sequence: 1, view: "leased" as const }));
    expect(core.step({ kind: "lines", from: peer!, lines }, 0)).toMatchObject([{ kind: "send-want", to: peer }]);
    expect(core.step({ kind: "lines", from: owners[0]!, lines }, 1000)).toEqual([]);
    expect(core.step({ kind: "lines", from: owners[1]!, lines }, 6000)).toMatchObject([{ kind: "send-want" }]);
  });
});

describe("merging", () => {
  test("gives the largest version of each owner, whatever the order and however often entries come", () => {
    fc.assert(
      fc.property(fc.array(anyEntry, { maxLength: 30 }), (entries) => {
        const core = newCore();
        for (const item of entries) receive(core, item, { nowMs: 1 });
        for (const owner of owners) {
          const all = entries.filter((item) => item.owner === owner);
          const largest = all.toSorted(compareVersions).at(-1);
          expect(core.owners.get(owner)?.entry.record?.name).toBe(largest?.record?.name);
          expect(core.owners.get(owner)?.status).toBe(largest && (largest.status === "left" ? "left" : "alive"));
        }
      }),
    );
  });

  test("repairs any difference in one exchange of digests", () => {
    fc.assert(
      fc.property(fc.array(anyEntry), fc.array(anyEntry), (mine, theirs) => {
        const one = newCore();
        for (const item of mine) receive(one, item, { nowMs: 1 });
        const other = new DirectoryCore({ self: peer!, times: defaultDirectoryTimes, random: seededRandom(2) });
        other.step({ kind: "issued", entry: entry(peer!, [1, 1]) }, 0);
        for (const item of theirs) {
          other.step({ kind: "entries", from: self!, entries: [{ entry: item, view: "leased", ageMs: 0 }] }, 1);
        }
        exchange(one, other);
        for (const owner of owners) {
          expect(one.owners.get(owner)?.entry.record?.name).toBe(other.owners.get(owner)?.entry.record?.name);
        }
      }),
    );
  });
});

/** Links both and passes their messages until none is left. */
function exchange(one: DirectoryCore, other: DirectoryCore): void {
  const queue: { readonly to: DirectoryCore; readonly effect: Effect }[] = [];
  const add = (to: DirectoryCore, effects: readonly Effect[]): void => {
    for (const effect of effects) queue.push({ to, effect });
  };
  add(other, one.step({ kind: "link-up", peer: peer! }, 2));
  add(one, other.step({ kind: "link-up", peer: self! }, 2));
  for (let next = queue.shift(); next; next = queue.shift()) {
    const { to, effect } = next;
    const back = to === one ? other : one;
    const from = to === one ? peer! : self!;
    if (effect.kind === "send-digest") {
      const range = { after: "", upTo: undefined };
      add(back, to.step({ kind: "lines", from, lines: effect.lines, range }, 3));
    } else if (effect.kind === "send-want") {
      add(back, to.step({ kind: "wanted", from, versions: effect.versions }, 3));
    } else if (effect.kind === "send-entries") {
      const entries = effect.entries.map(({ entry: item, view }) => ({ entry: item, view, ageMs: 0 }));
      add(back, to.step({ kind: "entries", from, entries }, 3));
    }
  }
}

describe("an owner without link", () => {
  test("is alive for 90 s after its last issue, and dead then", () => {
    const core = newCore();
    receive(core, entry(owners[0]!, [1, 1]), { nowMs: 0 });
    core.step({ kind: "tick" }, 89_999);
    expect(core.owners.get(owners[0]!)?.status).toBe("alive");
    const effects = core.step({ kind: "tick" }, 90_000);
    expect(core.owners.get(owners[0]!)?.status).toBe("dead");
    expect(effects).toContainEqual({ kind: "gone", owner: owners[0], status: "dead" });
  });

  test("that was lost comes back only by what it issued after that", () => {
    const core = newCore();
    const owner = owners[0]!;
    receive(core, entry(owner, [1, 1]), { nowMs: 0 });
    core.step({ kind: "suspected", from: peer!, owners: [owner] }, 10_000);
    core.step({ kind: "tick" }, 13_000);
    expect(core.owners.get(owner)?.status).toBe("dead");
    receive(core, entry(owner, [1, 2]), { nowMs: 20_000, ageMs: 15_000 });
    expect(core.owners.get(owner)?.status).toBe("dead");
    receive(core, entry(owner, [1, 3]), { nowMs: 20_000, ageMs: 5000 });
    expect(core.owners.get(owner)?.status).toBe("alive");
  });

  test("that is dead is forgotten a day after its last issue", () => {
    const core = newCore();
    receive(core, entry(owners[0]!, [1, 1]), { nowMs: 0 });
    core.step({ kind: "tick" }, 90_000);
    core.step({ kind: "tick" }, 86_399_999);
    expect(core.owners.has(owners[0]!)).toBe(true);
    core.step({ kind: "tick" }, 86_400_000);
    expect(core.owners.has(owners[0]!)).toBe(false);
  });
});

describe("the number of owners", () => {
  test("is limited: what is gone makes room, what lives does not", () => {
    const core = newCore({ ownersCountMax: 3 });
    receive(core, entry(owners[0]!, [1, 1]), { nowMs: 0 });
    receive(core, entry(owners[1]!, [1, 1]), { nowMs: 0 });
    expect(receive(core, entry(owners[2]!, [1, 1]), { nowMs: 0 })).toContainEqual({
      kind: "count",
      what: "entry-limit",
    });
    expect(core.owners.has(owners[2]!)).toBe(false);
    receive(core, entry(owners[0]!, [1, 2], "left"), { nowMs: 1 });
    receive(core, entry(owners[2]!, [1, 1]), { nowMs: 2 });
    expect([...core.owners.keys()]).toEqual([self, owners[1], owners[2]]);
  });
});
