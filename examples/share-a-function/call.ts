// Calls what share.ts shares, from another process. Run it in another terminal: node call.ts
import assert from "node:assert/strict";
import { Client, isEasynetError } from "easynet";

await using client = new Client();

// One answer.
const fahrenheit = await client.execute<number>("convert-celsius", 100);
assert.equal(fahrenheit, 212);

// The same with named arguments, a deadline, and where it ran.
const { value, node } = await client
  .call<number>("convert-celsius", { kwargs: { celsius: -40 }, timeoutMs: 5_000 })
  .result();
assert.equal(value, -40);

// A stream.
const steps: unknown[] = [];
for await (const left of client.stream("count-down", 3)) steps.push(left);
assert.deepEqual(steps, [3, 2, 1]);

// A wrong argument is refused before anything runs, and says what is wrong.
await assert.rejects(client.execute("convert-celsius"), (error) => isEasynetError(error, "INPUT_INVALID"));

console.log(`100 °C is ${fahrenheit} °F; ${node} answered; counted down ${steps.join(" ")}`);
