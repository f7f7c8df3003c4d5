import { expect, test } from "vitest";
import { verifies } from "../../../../test/requirements.ts";
import type { Did } from "../identity/index.ts";
import type { NodeStatus } from "../model/index.ts";
import type { DirectoryEvents } from "../state/index.ts";
import { offerOf, VirtualClock } from "../testing/index.ts";
import { AwayProviders } from "./away.ts";

verifies("mesh:health:failover");

function world() {
  const clock = new VirtualClock();
  const changed = new Set<(...values: DirectoryEvents["node-changed"]) => void>();
  const gone = new Set<(...values: DirectoryEvents["node-gone"]) => void>();
  const listeners: { readonly [Name in keyof DirectoryEvents]: Set<(...values: DirectoryEvents[Name]) => void> } = {
    "node-changed": changed,
    "node-gone": gone,
  };
  const away = new AwayProviders(
    {
      on: (name, listener) => {
        const all: (typeof listeners)[typeof name] = listeners[name];
        all.add(listener);
        return { [Symbol.dispose]: () => void all.delete(listener) };
      },
    },
    clock,
  );
  const offer = offerOf({ node: "desk", capability: "work" });
  const signed = { card: offer.card, signature: { protected: "", signature: "" } };
  const record = { ...offer.node.record, cards: [signed] };
  const turn = (status: NodeStatus, did: Did = offer.node.did): void => {
    for (const listener of changed) listener({ ...offer.node, did, record, status });
  };
  const end = (status: NodeStatus): void => gone.forEach((listener) => listener(offer.node.did, status));
  return { away, clock, turn, end, offer };
}

test("a provider that was lost is away for a minute, by capability, agent and node", async () => {
  const { away, clock, turn, end, offer } = world();
  expect(away.has({ capability: "work" })).toBe(false);
  turn("suspect");
  end("dead");
  expect(away.has({ capability: "work" })).toBe(true);
  expect(away.has({ capability: "work", agent: offer.card.id })).toBe(true);
  expect(away.has({ capability: "work", agent: "desk" })).toBe(true);
  expect(away.has({ capability: "other" })).toBe(false);
  expect(away.has({ capability: "work", agent: "lamp" })).toBe(false);
  await clock.advanceAsync(60_001);
  expect(away.has({ capability: "work" })).toBe(false);
});

test("who came back or said goodbye is not away", () => {
  const { away, turn, end } = world();
  turn("suspect");
  turn("alive");
  expect(away.has({ capability: "work" })).toBe(false);
  turn("suspect");
  end("left");
  expect(away.has({ capability: "work" })).toBe(false);
});
