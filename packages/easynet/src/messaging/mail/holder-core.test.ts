import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { fakeDid } from "../../testing/index.ts";
import { type HeldMail, HolderCore } from "./holder-core.ts";
import { bytesOfSender, GIVE_AGAIN_MS, GIVING_COUNT_MAX, HELD_OVERHEAD_BYTES } from "./limits.ts";

const [alice, eve, bob, carol] = [fakeDid(1), fakeDid(2), fakeDid(3), fakeDid(4)];
const ROOM_BYTES = 1024 * 1024;

function mail(first: number, changes: Partial<HeldMail> = {}): HeldMail {
  const basics = { sender: alice, recipient: bob, lane: 2, epoch: 1, first, count: 1, byteLength: 1000 };
  const held = { ...basics, keptAtMs: 0, untilMs: 1000, ...changes };
  return { ...held, key: `${held.recipient} ${held.sender} ${held.lane} ${held.epoch} ${first}` };
}

function keep(core: HolderCore, ...mails: readonly HeldMail[]): void {
  for (const each of mails) {
    expect(core.admit(each)).toBe("admitted");
    core.add(each);
  }
}

/** First sequences of what may go to bob now. */
function given(core: HolderCore, nowMs = 0): readonly number[] {
  const firsts: number[] = [];
  for (let next = core.next(bob, nowMs); next; next = core.next(bob, nowMs)) firsts.push(next.first);
  return firsts;
}

describe("a holder of mail", () => {
  test("gives in order of each lane, whatever the order in which it came, and what was not answered again", () => {
    fc.assert(
      fc.property(fc.shuffledSubarray([1, 2, 3, 4, 5, 6, 7, 8]), (order) => {
        const core = new HolderCore(ROOM_BYTES);
        keep(core, ...order.map((first) => mail(first, { untilMs: Infinity })));
        const sorted = order.toSorted((left, right) => left - right);
        expect(given(core)).toEqual(sorted);
        expect(given(core)).toEqual([]);
        core.tick(GIVE_AGAIN_MS);
        expect(given(core, GIVE_AGAIN_MS)).toEqual(sorted);
        for (const first of sorted) expect(core.ended(mail(first).key, bob)?.first).toBe(first);
        expect([...core.recipients]).toEqual([]);
      }),
    );
  });

  test("keeps back what waits for a forerunner, and nothing of other senders", () => {
    const core = new HolderCore(ROOM_BYTES);
    keep(core, mail(1), mail(2), mail(1, { sender: eve }));
    expect(given(core)).toHaveLength(3);
    core.later(mail(1).key, bob, 0);
    keep(core, mail(2, { sender: eve }));
    expect(given(core)).toEqual([2]);
    expect(given(core, GIVE_AGAIN_MS)).toEqual([1, 2]);
  });

  test("has a bounded number of batches under way, and begins anew on a new link", () => {
    const core = new HolderCore(ROOM_BYTES);
    keep(core, ...Array.from({ length: 100 }, (_, index) => mail(index + 1, { byteLength: 10 })));
    expect(given(core)).toHaveLength(GIVING_COUNT_MAX);
    core.ended(mail(1).key, bob);
    expect(given(core)).toEqual([GIVING_COUNT_MAX + 1]);
    core.relinked(bob);
    expect(given(core)[0]).toBe(2);
  });

  test("refuses beyond its room and beyond a sender's part of it, and has it again for what ended", () => {
    const core = new HolderCore(ROOM_BYTES);
    const byteLength = bytesOfSender(ROOM_BYTES) - HELD_OVERHEAD_BYTES;
    keep(core, mail(1, { byteLength }));
    expect(core.admit(mail(2))).toBe("sender-full");
    // Another one of the same name: only what it adds counts, and nothing is kept twice.
    expect(core.admit(mail(1, { byteLength: byteLength + 1 }))).toBe("sender-full");
    keep(core, mail(1, { byteLength: byteLength - 1000 }));
    expect(core.reports()).toEqual([{ sender: alice, recipient: bob, batches: 1, bytes: byteLength - 1000 }]);
    for (const sender of [eve, carol, fakeDid(5)]) keep(core, mail(1, { sender, byteLength }));
    expect(core.admit(mail(1, { sender: fakeDid(6), byteLength }))).toBe("full");
    expect(core.ended(mail(1, { sender: eve }).key, bob)).toBeDefined();
    expect(core.admit(mail(1, { sender: fakeDid(6), byteLength }))).toBe("admitted");
  });

  test("asks the disk once for what comes twice, and forgets what the disk refused", () => {
    const core = new HolderCore(ROOM_BYTES);
    const large = mail(1, { byteLength: bytesOfSender(ROOM_BYTES) - HELD_OVERHEAD_BYTES });
    expect([core.admit(large), core.admit(large)]).toEqual(["admitted", "pending"]);
    core.refuse(large);
    expect(core.admit(large)).toBe("admitted");
    expect(given(core)).toEqual([]);
  });

  test("keeps a lane until the last of it lapses, and drops it whole", () => {
    const core = new HolderCore(ROOM_BYTES);
    keep(core, mail(1, { untilMs: 10 }), mail(2, { untilMs: 500 }), mail(1, { lane: 1, untilMs: 10 }));
    expect(core.tick(100).map(({ lane }) => lane)).toEqual([1]);
    expect(core.tick(500).map(({ first }) => first)).toEqual([1, 2]);
    expect(core.reports()).toEqual([]);
  });

  test("lets nobody but its recipient end a batch", () => {
    const core = new HolderCore(ROOM_BYTES);
    keep(core, mail(1));
    expect(core.ended(mail(1).key, eve)).toBeUndefined();
    expect(core.ended("nothing", bob)).toBeUndefined();
    expect(given(core)).toEqual([1]);
  });
});
