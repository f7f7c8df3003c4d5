import { expect, test } from "vitest";
import type { Did } from "../identity/index.ts";
import { seededRandom, silentLogger } from "../kernel/index.ts";
import { fakeDid } from "../testing/fake-keys.ts";
import { FakeNetwork } from "../testing/fake-network.ts";
import { VirtualClock } from "../testing/virtual-clock.ts";
import { keepDialling } from "./bootstrap.ts";

/** A node that is to dial `wanted`, on a network in which nobody else is yet. */
function begin(wanted: readonly Did[]) {
  const clock = new VirtualClock();
  const fake = new FakeNetwork({ clock });
  const mesh = fake.join(fakeDid(1));
  const alive = new Set<Did>();
  const dialled: string[] = [];
  const dialling = keepDialling(
    wanted.map((did) => `fake#${did}`),
    {
      mesh: {
        self: mesh.self,
        peers: () => mesh.peers(),
        connect: (address) => {
          dialled.push(address);
          return mesh.connect(address);
        },
      },
      isAlive: (did) => alive.has(did),
      clock,
      random: seededRandom(7),
      logger: silentLogger,
    },
  );
  return { clock, fake, mesh, alive, dialled, dialling };
}

test("a member that starts later is reached also when somebody else linked first", async () => {
  const { clock, fake, mesh } = begin([fakeDid(2)]);
  await clock.advanceAsync(500);
  fake.join(fakeDid(3));
  fake.link(fakeDid(3), mesh.self);
  await clock.advanceAsync(2000);
  fake.join(fakeDid(2));
  await clock.advanceAsync(10_000);
  expect(mesh.peers().map(({ did }) => did)).toEqual([fakeDid(3), fakeDid(2)]);
});

test("who was reached is dialled no more while it is linked or known to live, and again when it is gone", async () => {
  const { clock, fake, mesh, alive, dialled } = begin([fakeDid(2)]);
  fake.join(fakeDid(2));
  await clock.advanceAsync(5000);
  expect(mesh.peers()).toHaveLength(1);
  const count = dialled.length;
  alive.add(fakeDid(2));
  fake.crash(fakeDid(2));
  await clock.advanceAsync(60_000);
  expect(dialled).toHaveLength(count);
  alive.delete(fakeDid(2));
  await clock.advanceAsync(60_000);
  expect(dialled.length).toBeGreaterThan(count);
  // With pauses that grow to 15 s.
  expect(dialled.length).toBeLessThan(count + 40);
});

test("nobody is dialled after the end", async () => {
  const { clock, dialled, dialling } = begin([fakeDid(2)]);
  await clock.advanceAsync(1000);
  dialling[Symbol.dispose]();
  const count = dialled.length;
  await clock.advanceAsync(60_000);
  expect(dialled).toHaveLength(count);
});
