import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { verifies } from "../../../../../test/requirements.ts";
import { tries } from "../../../../../test/quick.ts";
import type { Store, Write } from "../../storage/index.ts";
import { MemoryStore } from "../../storage/index.ts";
import { type MessagesNode, MessagesWorld } from "../../testing/messages-fixture.ts";

verifies("messaging:reliable:delivery");

/** What may happen to two nodes while one asks the other. */
type Happening = "ask" | "release" | "crash-asker" | "crash-worker" | "wait";
const HAPPENINGS = ["ask", "ask", "release", "crash-asker", "crash-worker", "wait"] as const;
const TIMEOUT_MS = 3_600_000;

/** Forgets rows of one space, as a node would that does not write them. */
class Forgetful extends MemoryStore implements Store {
  readonly #space: string;

  constructor(space: string) {
    super();
    this.#space = space;
  }

  override async commit(writes: readonly Write[]): Promise<void> {
    await super.commit(writes.filter(({ space }) => space !== this.#space));
  }
}

/** The payloads whose answer never came, after everything is up again and time has passed. */
async function run(happenings: readonly Happening[], forgetful?: string): Promise<readonly string[]> {
  const world = new MessagesWorld(forgetful === undefined ? undefined : () => new Forgetful(forgetful));
  const asked = new Map<string, string>();
  let waiting: (() => void)[] = [];
  const work = (node: MessagesNode): void => {
    node.messages.handle("command", async ({ payload }) => {
      await new Promise<void>((resolve) => {
        waiting.push(resolve);
      });
      return `done ${JSON.stringify(payload)}`;
    });
  };
  let asker = await world.start(1);
  let worker = await world.start(2, { setUp: work });
  for (const [index, happening] of happenings.entries()) {
    if (happening === "ask") {
      const payload = { command: `c${index}` };
      const content = { kind: "command", payload, timeoutMs: TIMEOUT_MS };
      asked.set(asker.messages.request(worker.did, content).id, JSON.stringify(payload));
    } else if (happening === "release") waiting.shift()?.();
    else if (happening === "crash-asker") {
      asker.crash();
      asker = await world.start(1);
    } else if (happening === "crash-worker") {
      worker.crash();
      waiting = [];
      worker = await world.start(2, { setUp: work });
    }
    await world.clock.advanceAsync(happening === "wait" ? 1_000 : 0);
  }
  const lost: string[] = [];
  for (const [id, payload] of asked) {
    const answer = asker.messages.answer(id).catch(() => undefined);
    for (const release of waiting.splice(0)) release();
    await world.clock.advanceAsync(TIMEOUT_MS / 10_000);
    if ((await Promise.race([answer, Promise.resolve("nothing")])) !== `done ${payload}`) lost.push(payload);
  }
  return lost;
}

const schedules = fc.array(fc.constantFrom(...HAPPENINGS), { maxLength: 25 });

describe("durable requests", () => {
  test("are all answered, whoever dies and when", async () => {
    await fc.assert(
      fc.asyncProperty(schedules, async (happenings) => {
        expect(await run(happenings)).toEqual([]);
      }),
      tries(100),
    );
  });

  test.each([
    ["a worker that does not write down what it works on", "message-requests"],
    ["an asker that does not write down what it asked", "message-answers"],
  ])("the check finds %s", async (_, space) => {
    const details = await fc.check(
      fc.asyncProperty(schedules, async (happenings) => (await run(happenings, space)).length === 0),
      tries(200),
    );
    expect(details.failed).toBe(true);
  });
});
