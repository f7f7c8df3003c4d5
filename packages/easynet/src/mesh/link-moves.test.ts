import { describe, expect, test } from "vitest";
import { generateKeyPair } from "../identity/index.ts";
import { EasynetError } from "../kernel/index.ts";
import { VirtualClock } from "../testing/virtual-clock.ts";
import { FRAME_TYPES, type Lane, LANES } from "../wire/index.ts";
import { LinkMoves, type MovableLink } from "./link-moves.ts";
import type { MeshFrame, OutgoingFrame } from "./types.ts";

const remote = generateKeyPair().did;
const TYPE = 200;

class FakeLink implements MovableLink {
  readonly remote = remote;
  readonly sent: OutgoingFrame[] = [];
  dropCount = 0;
  isFull = false;

  send(outgoing: OutgoingFrame): boolean {
    if (this.isFull) throw new EasynetError("BACKPRESSURE", { peer: remote, lane: outgoing.lane, bytes: 1 });
    this.sent.push(outgoing);
    return true;
  }

  drop(): void {
    this.dropCount++;
  }
}

function frame(lane: Lane, body: number | Uint8Array, type = TYPE): MeshFrame {
  const bytes = typeof body === "number" ? Uint8Array.of(body) : body;
  return { from: remote, lane, type, sequence: 1, correlation: 0, flags: 0, body: bytes };
}

/** A move from one link to another, and what the handler of the frames saw. */
function start() {
  const clock = new VirtualClock();
  const seen: number[] = [];
  const handlerOf = (type: number) =>
    type === TYPE ? ({ body }: MeshFrame) => void seen.push(body[0] ?? 0) : undefined;
  const moves = new LinkMoves({ clock, handlerOf });
  const [from, to] = [new FakeLink(), new FakeLink()];
  const arrive = (link: FakeLink, one: MeshFrame): void => void moves.handlerOf(link, one.type)?.(one);
  const lastOf = (lanes: readonly Lane[]): void => {
    for (const lane of lanes) arrive(from, frame(lane, new Uint8Array(0), FRAME_TYPES.moved));
  };
  let lostCount = 0;
  const begin = (): void => moves.begin(from, to, () => lostCount++);
  return { clock, seen, moves, from, to, arrive, lastOf, begin, lost: () => lostCount };
}

describe("a move to another link", () => {
  test("says so on every lane of the old link, and drops it later", () => {
    const { from, lastOf, begin, clock } = start();
    begin();
    expect(from.sent.map(({ lane, type }) => [lane, type])).toEqual(LANES.map((lane) => [lane, FRAME_TYPES.moved]));
    lastOf(LANES);
    expect(from.dropCount).toBe(0);
    clock.advance(3000);
    expect(from.dropCount).toBe(1);
  });

  test("handles what came over the new link after all that comes over the old one, in order", async () => {
    const { seen, from, to, arrive, lastOf, begin, lost } = start();
    begin();
    const reused = Uint8Array.of(3);
    arrive(to, frame("normal", reused));
    reused[0] = 77;
    arrive(to, frame("normal", 4));
    arrive(from, frame("normal", 1));
    lastOf(["control", "high", "normal"]);
    arrive(from, frame("bulk", 2));
    await Promise.resolve();
    expect(seen).toEqual([1, 2]);
    lastOf(["bulk"]);
    await Promise.resolve();
    arrive(to, frame("normal", 5));
    expect([seen, lost()]).toEqual([[1, 2, 3, 4, 5], 0]);
  });

  test("is complete at once when the other end had said its last before", () => {
    const { seen, to, arrive, lastOf, begin } = start();
    lastOf(LANES);
    begin();
    arrive(to, frame("normal", 1));
    expect(seen).toEqual([1]);
  });

  test.for(["the time is over", "the old link ended", "the new link ended", "the old link takes nothing"])(
    "is lost when %s, and nothing waits any longer",
    async (how) => {
      const { clock, seen, moves, from, to, arrive, lastOf, begin, lost } = start();
      from.isFull = how === "the old link takes nothing";
      begin();
      arrive(to, frame("normal", 1));
      lastOf(["normal"]);
      if (how === "the time is over") clock.advance(3000);
      else if (how !== "the old link takes nothing") moves.closed(how === "the old link ended" ? from : to);
      await Promise.resolve();
      expect([seen, lost()]).toEqual([[1], 1]);
      lastOf(LANES);
      expect(lost()).toBe(1);
    },
  );
});
