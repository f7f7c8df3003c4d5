// An agent that takes messages. Run it in one terminal: node bakery.ts
import { AgentNetwork } from "easynet";

const network = new AgentNetwork({ agent: "bakery" });
const orders = new Map<string, number>();

// What a handler returns answers the sender. The message's id is the same however often the message has to be sent.
network.onMessage("order-placed", ({ id, payload }) => {
  orders.set(id, Number(payload));
  return { ordersCount: orders.size };
});

// A kind that easynet knows: its payload was checked before it left, and once more before it came here.
network.onMessage("resource-request", ({ payload }) => {
  console.log("asked for", payload);
  return { resource: "bread", granted: orders.size < 100 };
});

await network.joinNetwork();
console.log("the bakery is open");
process.send?.("ready");
