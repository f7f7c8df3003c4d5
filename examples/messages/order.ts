// Sends messages to the bakery from another process. Run it in another terminal: node order.ts
import assert from "node:assert/strict";
import { AgentNetwork, isEasynetError } from "easynet";

await using network = new AgentNetwork({ agent: "customer" });
// An application's own kind: it survives kill -9 and power loss, and goes before normal messages.
network.defineKind({ name: "order-placed", durability: "disk", priority: "high" });
await network.joinNetwork();

// Waits for what the handler over there returns.
const answer = await network.sendMessage("bakery", "order-placed", 3);
assert.deepEqual(answer, { ordersCount: 1 });

// A durable request sent again under its id is not done again: it gets the first answer.
const id = crypto.randomUUID();
const first = await network.sendMessage("bakery", "order-placed", 4, { id });
assert.deepEqual(await network.sendMessage("bakery", "order-placed", 4, { id }), first);

// Only until it is stored here; it is delivered as soon as the other machine can be reached.
const stored = await network.sendMessage("bakery", "order-placed", 5, { wait: "stored" });

// A payload that is not what its kind says does not leave.
await assert.rejects(network.sendMessage("bakery", "resource-request", { resource: "bread" }), (error) =>
  isEasynetError(error, "PAYLOAD_INVALID"),
);
const granted = await network.sendMessage("bakery", "resource-request", { resource: "bread", amount: 2 });
assert.deepEqual(granted, { resource: "bread", granted: true });

// To everybody, each with an outcome of its own.
const { delivered, failed } = await network.broadcastMessage("order-placed", 1);
assert.equal(delivered.length, 1);
assert.deepEqual(failed, []);
console.log("all answers were right;", stored);
