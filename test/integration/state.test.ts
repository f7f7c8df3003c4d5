import { expect, test } from "vitest";
import { TestNetwork, until } from "../support/network.ts";
import { verifies } from "../requirements.ts";

verifies("state:record:fields", "state:consistency:levels");

test("three nodes share state; one that was away catches up, and writes of both sides stay", async () => {
  await using network = new TestNetwork();
  const amber = await network.start("amber");
  const cobalt = await network.start("cobalt");
  const jade = await network.start("jade");
  const all = [amber, cobalt, jade];
  await until("linked", () => all.every(({ node }) => node.peers().length === 2));
  const { token } = await amber.node.state.put("plan", { step: 1 });
  const read = await jade.node.state.get("plan", { consistency: "session", token });
  expect(read).toMatchObject({ found: true, value: { step: 1 } });
  await jade.stop();
  await until("gone", () => amber.node.peers().length === 1);
  await amber.node.state.put("while away", 1);
  await amber.node.state.put("chosen", "amber", { consistency: "linearizable" });
  expect(await cobalt.node.state.get("chosen", { consistency: "linearizable" })).toMatchObject({ value: "amber" });
  const again = await network.start("jade");
  expect(await again.node.state.get("plan")).toMatchObject({ value: { step: 1 } });
  const own = await again.node.state.put("own", 2);
  await until("linked again", () => again.node.peers().length === 2);
  const seen = await cobalt.node.state.get("own", { consistency: "session", token: own.token });
  expect(seen).toMatchObject({ value: 2 });
  await again.node.state.sync();
  const record = await again.node.state.record("while away");
  expect(record).toMatchObject({ stateId: "default/while away", agentId: amber.node.did, data: 1 });
  expect(record.replicas).toEqual(expect.arrayContaining([amber.node.did, cobalt.node.did, again.node.did]));
}, 60_000);
