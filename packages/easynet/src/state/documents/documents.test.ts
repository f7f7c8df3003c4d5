import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { EasynetError, noMetrics, seededRandom, silentLogger } from "../../kernel/index.ts";
import { MemoryStore } from "../../storage/index.ts";
import { fakeDid, FakeNetwork, VirtualClock } from "../../testing/index.ts";
import { createDocuments, type RunningDocuments } from "./documents.ts";
import { loadEngine } from "./engine.ts";
import { DOCUMENTS_SPACE } from "./kept-document.ts";
import type { SharedDocument } from "./types.ts";

class World {
  readonly clock = new VirtualClock();
  readonly network = new FakeNetwork({ clock: this.clock, latencyMs: 1 });
  readonly stores: MemoryStore[] = [];
  #starts = 0;

  start(number: number): RunningDocuments {
    const mesh = this.network.join(fakeDid(number));
    const store = this.stores[number]?.reopen() ?? new MemoryStore();
    this.stores[number] = store;
    this.#starts += 1;
    const ports = { clock: this.clock, random: seededRandom(this.#starts), logger: silentLogger, metrics: noMetrics };
    const documents = createDocuments({ ...ports, mesh, store });
    documents.start();
    for (const other of this.network.meshes.keys()) if (other !== mesh.self) mesh.learn(other, ["fake"]);
    return documents;
  }

  async settled(): Promise<void> {
    await this.clock.advanceAsync(100);
  }
}

async function pair(): Promise<{
  readonly world: World;
  readonly one: SharedDocument;
  readonly other: SharedDocument;
}> {
  const world = new World();
  const [first, second] = [world.start(0), world.start(1)];
  const [one, other] = [await first.open("plan"), await second.open("plan")];
  await world.settled();
  return { world, one, other };
}

describe("a document", () => {
  test("is edited by two at once, and both come to the same text with every letter", async () => {
    const { world, one, other } = await pair();
    await one.edit({ kind: "text", name: "body", at: 0, insert: "hello world" });
    await world.settled();
    world.network.partition((from, to) => from === to);
    await one.edit({ kind: "text", name: "body", at: 0, insert: "ONE " });
    await other.edit(
      { kind: "text", name: "body", at: 11, insert: " TWO" },
      { kind: "set", field: "title", value: "t" },
    );
    expect(other.read()).toMatchObject({ body: "hello world TWO" });
    world.network.heal();
    await world.settled();
    expect(one.read()).toEqual({ body: "ONE hello world TWO", fields: { title: "t" } });
    expect(other.read()).toEqual(one.read());
    const authors = one.history().map(({ author }) => author);
    expect(authors).toEqual(expect.arrayContaining([fakeDid(0), fakeDid(1)]));
  });

  test("catches up after absence with what it lacks, and not with all of it", async () => {
    const { world, one } = await pair();
    await one.edit({ kind: "text", name: "body", at: 0, insert: "x".repeat(100_000) });
    await world.settled();
    world.network.crash(fakeDid(1));
    await one.edit({ kind: "text", name: "body", at: 0, insert: "news " });
    const again = world.start(1);
    expect(again.list()).toMatchObject([{ name: "plan", isOpen: false }]);
    const kept = await again.open("plan");
    const missing = one.export(kept.version());
    expect(missing.length).toBeLessThan(1000);
    expect(one.export().length).toBeGreaterThan(missing.length);
    await world.settled();
    expect(kept.read()).toEqual(one.read());
  });

  test("is on disk when an edit resolves, also after its changes became one snapshot", async () => {
    const world = new World();
    const document = await world.start(0).open("plan");
    for (let number = 0; number < 5; number++) await document.edit({ kind: "set", field: `f${number}`, value: number });
    expect(world.stores[0]?.list(DOCUMENTS_SPACE)).toHaveLength(5);
    await document.compact();
    expect(world.stores[0]?.list(DOCUMENTS_SPACE)).toHaveLength(1);
    await document.edit({ kind: "unset", field: "f0" });
    world.network.crash(fakeDid(0));
    const again = await world.start(0).open("plan");
    expect(again.read()).toEqual({ fields: { f1: 1, f2: 2, f3: 3, f4: 4 } });
    // Changes that follow one another may be told as one.
    expect(again.history().reduce((sum, { operations }) => sum + operations, 0)).toBe(6);
    expect(new Set(again.history().map(({ author }) => author))).toEqual(new Set([fakeDid(0)]));
  });

  test("is carried by a file: what is exported there is imported here", async () => {
    const world = new World();
    const documents = world.start(0);
    const [one, copy] = [await documents.open("one"), await documents.open("copy")];
    await one.edit({ kind: "list", name: "steps", at: 0, insert: ["a", "b"] });
    let changes = 0;
    using _ = copy.onChange(() => (changes += 1));
    await copy.import(one.export());
    await copy.import(one.export());
    expect(copy.read()).toEqual({ steps: ["a", "b"] });
    expect(changes).toBe(1);
  });

  test("takes an edit as a whole or not at all", async () => {
    const document = await new World().start(0).open("plan");
    const edits = document.edit(
      { kind: "text", name: "body", at: 0, insert: "abc" },
      { kind: "text", name: "body", at: 1, remove: 3 },
    );
    await expect(edits).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
    expect(document.read()).not.toHaveProperty("body", "abc");
    await document.edit(
      { kind: "text", name: "body", at: 0, insert: "abc" },
      { kind: "text", name: "body", at: 1, remove: 2 },
    );
    expect(document.read()).toMatchObject({ body: "a" });
  });
});

test("bytes that are no document are refused, whatever they are", async () => {
  const document = await new World().start(0).open("plan");
  await document.edit({ kind: "set", field: "a", value: 1 });
  const before = document.read();
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), async (bytes) => {
      await expect(document.import(bytes)).rejects.toMatchObject({ code: "DOCUMENT_INVALID" });
    }),
    { numRuns: 100 },
  );
  expect(document.read()).toEqual(before);
});

test("without Loro, opening says how to install it", async () => {
  const load = (): Promise<never> => Promise.reject(new Error("Cannot find package"));
  await expect(loadEngine(load)).rejects.toMatchObject({
    code: "DEPENDENCY_MISSING",
    details: { packages: "loro-crdt@1.17.1" },
  });
});

test("names beyond their limits are refused", async () => {
  const documents = new World().start(0);
  for (const name of ["", "a/b", "a\u0000", "x".repeat(129), "\ud800"]) {
    await expect(documents.open(name)).rejects.toBeInstanceOf(EasynetError);
  }
});
